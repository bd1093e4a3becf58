/** The pages of `docs/` beside the code: what is generated looks as shown, links lead somewhere, imports and options exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { changesText } from '../../../src/cli/contract-view.js';
import { generate } from '../../../src/contracts/codegen/generate.js';
import { contractChanges } from '../../../src/contracts/compatibility.js';
import type { ContractSnapshot, MessageContract } from '../../../src/contracts/contract-snapshot.js';
import * as core from '../../../src/core.js';
import * as nest from '../../../src/index.js';
import { optionNames } from '../../../src/runtime/config-schema.js';
import * as sqlite from '../../../src/sqlite.js';
import * as testing from '../../../src/testing.js';

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'examples/README.md',
  'examples/banking/README.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path)),
];
const textOf = (path: string): string => readFileSync(path, 'utf8');

describe('every page', () => {
  it.each(pages)('%s links to what is there', (page) => {
    const broken = [...textOf(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].filter(
      ([, path = '', anchor]) => {
        const target = path === '' ? page : join(dirname(page), path);
        if (!existsSync(target)) return true;
        return anchor !== undefined && !headings(textOf(target)).has(anchor);
      },
    );
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  it.each(pages)('%s imports names that the package has', (page) => {
    const doors: Record<string, object> = {
      'atomic-queues': nest,
      'atomic-queues/core': core,
      'atomic-queues/sqlite': sqlite,
      'atomic-queues/testing': testing,
    };
    const imports = [...textOf(page).matchAll(/^import (type )?\{([^}]*)\} from '(atomic-queues[^']*)'/gm)];
    const unknown = imports.flatMap(([, isType, names = '', door = '']) => {
      const values = names.split(',').map((name) => name.trim());
      return values.filter(
        (name) => name !== '' && isType === undefined && !name.startsWith('type ') && !(name in (doors[door] ?? {})),
      );
    });
    expect(unknown).toEqual([]);
  });
});

it('every option of the configuration is in the README, and every option there is one', () => {
  const readme = textOf('README.md');
  const section = readme.slice(readme.indexOf('\n## Configuration\n'), readme.indexOf('\n## Errors\n'));
  const named = [...section.matchAll(/^\| `[^|]*?\|/gm)].flatMap(([cell]) =>
    [...cell.matchAll(/`([\w.]+)`/g)].map(([, name = '']) => name),
  );
  const beside = new Set(['redis', 'cluster', 'grpc', 'store', 'wal', 'registry', 'retry']);
  const expected = [...optionNames.root, ...optionNames.entity].filter((name) => !beside.has(name));
  expect(expected.filter((name) => !named.includes(name))).toEqual([]);
  const ofModule = ['isGlobal', 'global', 'globalEnhancers'];
  const unknown = named.filter((path) => {
    const [head = '', option] = path.split('.');
    if (option === undefined) return ![...optionNames.root, ...optionNames.entity, ...ofModule].includes(head);
    return !(optionNames[head as keyof typeof optionNames] as readonly string[]).includes(option);
  });
  expect(unknown).toEqual([]);
});

it('every error code is in the README, and every code there is one', () => {
  const readme = textOf('README.md');
  const section = readme.slice(readme.indexOf('\n## Errors\n'), readme.indexOf('\n## Retries\n'));
  const named = [...section.matchAll(/^\| (`[A-Z_`, ]+`) +\|/gm)].flatMap(
    ([, cell = '']) => cell.match(/[A-Z_]{4,}/g) ?? [],
  );
  expect(named.toSorted()).toEqual([...core.errorCodes].toSorted());
});

describe('docs/codegen.md', () => {
  const page = textOf('docs/codegen.md');
  const reserve: MessageContract = {
    kind: 'command',
    entityIdField: 'sku',
    schema: object({ sku: { type: 'string', description: 'Which article' }, quantity: { type: 'integer' } }),
    replySchema: object({ left: { type: 'integer' } }),
  };

  it('shows the class as it is generated', () => {
    const files = generate(snapshot({ ReserveStockCommand: reserve }), 'classes').files;
    expect(files.map(({ path }) => path)).toEqual(['warehouse.ts', 'index.ts']);
    const shown = /\/\/ warehouse\.ts\n([\s\S]*?)```/.exec(page)?.[1] ?? 'nothing';
    expect(files.find(({ path }) => path === 'warehouse.ts')?.text).toContain(shown);
  });

  it('shows what check says of a change', () => {
    const changed: MessageContract = {
      ...reserve,
      schema: object({
        sku: { type: 'string', description: 'Which article' },
        quantity: { type: 'integer' },
        reason: { type: 'string' },
      }),
      replySchema: object({ left: { type: ['integer', 'null'] } }),
    };
    const after = snapshot({ ReserveStockCommand: changed, MoveStockCommand: { kind: 'command' } });
    const said = changesText(contractChanges(snapshot({ ReserveStockCommand: reserve }), after), 'contracts.json');
    expect(page).toContain(`$ npx atomic-queues check --against contracts.json\n${said}\n`);
  });
});

function snapshot(messages: Record<string, MessageContract>): ContractSnapshot {
  return { format: 1, entities: { warehouse: { group: 'warehouse', services: ['warehouse-service'], messages } } };
}

function object(properties: Record<string, object>): Record<string, unknown> {
  return { type: 'object', properties, required: Object.keys(properties) };
}

/** The anchors of a page, as code hosts make them of its headings. */
function headings(text: string): Set<string> {
  const outsideOfCode = text.replace(/^```[\s\S]*?^```$/gm, '');
  return new Set(
    [...outsideOfCode.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  );
}
