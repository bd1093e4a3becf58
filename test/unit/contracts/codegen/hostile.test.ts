/** Whatever services publish, generated code holds no more than it should, and stays in its folder. */
import fc from 'fast-check';
import { parseSync } from 'vite';
import { describe, expect, it } from 'vitest';
import { classFiles } from '../../../../src/contracts/codegen/class-files.js';
import { schemaFile, snapshotFile } from '../../../../src/contracts/codegen/json-files.js';
import { namespaceFile } from '../../../../src/contracts/codegen/namespace-file.js';
import { commentWords, jsonLiteral, stringLiteral } from '../../../../src/contracts/codegen/source-text.js';
import { hostileEntities, hostileName } from './hostile-names.js';
import { faultsOf } from './parsed-code.js';

const NAMES = 100_000;
const NAMES_A_RUN = 1_000;
const seed = Number(process.env['AQ_SEED'] ?? 20_260_301);

describe('generated code', { timeout: 180_000 }, () => {
  it(`lets none of ${NAMES} hostile names out of its literal, its comment or its folder`, () => {
    let names = 0;
    fc.assert(
      fc.property(fc.array(hostileName, { minLength: NAMES_A_RUN, maxLength: NAMES_A_RUN, size: 'max' }), (given) => {
        names += given.length;
        const entities = hostileEntities(given);
        const files = [...classFiles(entities), namespaceFile(entities)];
        const paths = files.map(({ path }) => path);
        expect(new Set(paths.map((path) => path.toLowerCase())).size).toBe(paths.length);
        for (const path of paths) expect(path).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*\.ts$/);
        const strings = new Set([...given, 'command', 'query', 'atomic-queues/core', ...paths.map(importOf)]);
        for (const file of files) {
          expect(faultsOf(file, strings, new Set(paths.map(importOf)))).toEqual([]);
        }
        for (const file of [schemaFile(entities), snapshotFile(entities)]) {
          expect(file.text).toMatch(/^[\n -~]*$/);
          JSON.parse(file.text);
        }
      }),
      { numRuns: NAMES / NAMES_A_RUN, seed, endOnFailure: true },
    );
    expect(names).toBe(NAMES);
  });

  it('reads every literal back as the string that it was made of', () => {
    fc.assert(
      fc.property(fc.array(hostileName, { minLength: 500, maxLength: 500, size: 'max' }), (given) => {
        const code = `export const all = [${given.map(stringLiteral).join(', ')}];`;
        const { program, errors } = parseSync('all.ts', code, { lang: 'ts' });
        expect(errors).toEqual([]);
        const found = JSON.parse(JSON.stringify(program)).body[0].declaration.declarations[0].init.elements;
        // Halves of surrogate pairs do not survive the parser's own JSON; how they are written is looked at instead.
        for (const [index, text] of given.entries()) {
          if (isWellFormed(text)) expect(found[index].value).toBe(text);
          expect(JSON.parse(jsonLiteral(text))).toBe(text);
        }
      }),
      { numRuns: 20, seed },
    );
  });

  it('puts what could be a command to a tool in quotes, and leaves plain words alone', () => {
    expect(commentWords('Reserves stock.')).toBe('Reserves stock.');
    expect(commentWords('@ts-ignore')).toBe('"@ts-ignore"');
    expect(commentWords('eslint-disable')).toBe('"eslint-disable"');
    expect(commentWords('a */ b\n\u2028c\u202ed')).toBe('a * / b c d');
    expect(commentWords('**/')).toBe('"** /"');
    expect(commentWords('\0\n')).toBeUndefined();
    expect(commentWords(`${'word '.repeat(100)}`)?.length).toBeLessThanOrEqual(301);
  });
});

function importOf(path: string): string {
  return `./${path.replace(/\.ts$/, '.js')}`;
}

function isWellFormed(text: string): boolean {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
}
