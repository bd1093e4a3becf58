/** `introspect`, `generate` and `check`, from snapshot files and from the store of an application. */
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import type { ContractSnapshot } from '../../../src/contracts/contract-snapshot.js';
import { createNode, EntityType, JobCommand, MessageSchema, QueueEntityId, ReplySchema } from '../../../src/core.js';
import { atomicQueues, folder, type Result } from './command-line.js';

const object = (properties: Readonly<Record<string, unknown>>, required: readonly string[] = []) => ({
  type: 'object',
  properties,
  ...(required.length > 0 && { required }),
});

const SNAPSHOT: ContractSnapshot = {
  format: 1,
  entities: {
    warehouse: {
      group: 'stock',
      services: ['warehouse-service'],
      messages: {
        Reserve: { kind: 'command', entityIdField: 'sku', schema: object({ sku: { type: 'string' } }, ['sku']) },
      },
    },
    billing: { group: 'money', services: [], messages: { Charge: { kind: 'command', entityIdField: 'id' } } },
  },
};

/** A folder with snapshot.json, and the command line run in it. */
function place(snapshot: unknown = SNAPSHOT) {
  const cwd = folder();
  const file = join(cwd, 'snapshot.json');
  writeFileSync(file, typeof snapshot === 'string' ? snapshot : JSON.stringify(snapshot));
  return {
    cwd,
    file,
    run: (...args: readonly string[]): Promise<Result> => atomicQueues(args, { cwd }),
    names: (below = 'out'): string[] => readdirSync(join(cwd, below)).sort(),
  };
}

describe('introspect', () => {
  it('prints what a snapshot says as a tree, and as JSON', async () => {
    const { run } = place();
    const { code, stdout } = await run('introspect', '--from', 'snapshot.json');
    expect([code, stdout]).toEqual([0, expect.stringContaining('command Reserve { sku: string }')]);
    const { stdout: json } = await run('introspect', '--from', 'snapshot.json', '--json');
    expect(JSON.parse(json)).toMatchObject({ format: 1, entities: { warehouse: { group: 'stock' } } });
  });

  it('reads what the application of an embedded store has published, whether it runs or not', async () => {
    @EntityType('account')
    @JobCommand()
    @MessageSchema(z.object({ account: z.string(), amount: z.number() }))
    @ReplySchema(z.object({ balance: z.number() }))
    class Deposit {
      @QueueEntityId() readonly account!: string;
    }
    const path = join(folder(), 'store.db');
    const node = createNode({ config: { store: { path } } });
    node.handle(Deposit, () => ({ balance: 1 }));
    await node.start();
    onTestFinished(async () => void (await node.stop()));
    const { stdout } = await atomicQueues(['introspect', '--path', path]);
    expect(stdout).toContain('command Deposit { account: string, amount: number } → { balance: number }');
    const cwd = folder();
    expect((await atomicQueues(['generate', '--classes', '-o', 'out', '--path', path], { cwd })).code).toBe(0);
    expect(readFileSync(join(cwd, 'out/account.ts'), 'utf8')).toContain('extends Reply<DepositReply>');
  });

  it('says so where no application has published anything', async () => {
    const { code, stderr } = await atomicQueues(['introspect', '--path', join(folder(), 'none.db')]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('No application has published its contracts')]);
  });

  it.each<[string, unknown, string]>([
    ['not JSON', '{', 'the file is not JSON'],
    ['no object', '[]', 'the file is not an object'],
    ['another format', { ...SNAPSHOT, format: 2 }, 'the file is of format 2, and this version reads format 1'],
    ['no format', { entities: {} }, 'the file does not say which format it has'],
    ['no entities', { format: 1 }, 'the file has no entities'],
  ])('refuses a file that is no snapshot: %s', async (_title, snapshot, reason) => {
    const { run } = place(snapshot);
    for (const args of [
      ['introspect', '--from'],
      ['generate', '--ts', '--from'],
      ['check', '--against'],
    ]) {
      const { code, stderr } = await run(...args, 'snapshot.json');
      expect([code, stderr]).toEqual([2, expect.stringContaining(reason)]);
    }
  });

  it('shows no control characters, and warns of what it leaves out', async () => {
    const { run } = place({ format: 1, entities: { 'a\u001b[31m': { messages: {} }, ...SNAPSHOT.entities } });
    const { code, stdout, stderr } = await run('introspect', '--from', 'snapshot.json');
    expect(code).toBe(0);
    expect(stdout + stderr).not.toContain('\u001b');
    expect(stdout).toContain('which cannot be one; the type is left out');
  });
});

describe('generate', () => {
  it('writes only what has changed, and removes generated files that are no longer made', async () => {
    const { cwd, run, names } = place();
    const first = await run('generate', '--classes', '-o', 'out', '--from', 'snapshot.json');
    expect([first.code, names()]).toEqual([0, ['billing.ts', 'index.ts', 'warehouse.ts']]);
    const writtenAt = statSync(join(cwd, 'out/warehouse.ts')).mtimeMs;
    writeFileSync(join(cwd, 'out/own.ts'), '// My own.\n');
    const again = await run('generate', '--classes', '-o', 'out', '--from', 'snapshot.json');
    expect(again.stdout).toContain('3 files up to date');
    const fewer = await run(
      'generate',
      '--classes',
      '-o',
      'out',
      '--entities',
      'warehouse',
      '--from',
      'snapshot.json',
      '--json',
    );
    expect(JSON.parse(fewer.stdout)).toMatchObject({ written: ['index.ts'], removed: ['billing.ts'], unchanged: 1 });
    expect(names()).toEqual(['index.ts', 'own.ts', 'warehouse.ts']);
    expect(statSync(join(cwd, 'out/warehouse.ts')).mtimeMs).toBe(writtenAt);
  });

  it('replaces no file that is not its own, and follows no link', async () => {
    const { cwd, run } = place();
    mkdirSync(join(cwd, 'out'));
    writeFileSync(join(cwd, 'out/warehouse.ts'), 'export const mine = 1;\n');
    const mine = await run('generate', '--classes', '-o', 'out', '--from', 'snapshot.json');
    expect([mine.code, mine.stderr]).toEqual([1, expect.stringContaining('is not a generated file')]);
    expect(readFileSync(join(cwd, 'out/warehouse.ts'), 'utf8')).toBe('export const mine = 1;\n');
    expect(readdirSync(join(cwd, 'out'))).toEqual(['warehouse.ts']);
    symlinkSync(join(cwd, 'elsewhere.ts'), join(cwd, 'out/billing.ts'));
    const link = await run('generate', '--classes', '-o', 'out', '--entities', 'billing', '--from', 'snapshot.json');
    expect([link.code, link.stderr]).toEqual([1, expect.stringContaining('is not a plain file')]);
    writeFileSync(join(cwd, 'package.json'), '{ "name": "mine" }');
    const other = await run('generate', '--snapshot', '-o', 'package.json', '--from', 'snapshot.json');
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('is not a generated file')]);
  });

  it('tells with --check what it would do, and does nothing', async () => {
    const { run, cwd, names } = place();
    const missing = await run('generate', '--classes', '-o', 'out', '--from', 'snapshot.json', '--check');
    expect([missing.code, missing.stdout]).toEqual([1, expect.stringContaining('would write warehouse.ts')]);
    expect(readdirSync(cwd)).toEqual(['snapshot.json']);
    await run('generate', '--classes', '-o', 'out', '--from', 'snapshot.json');
    expect((await run('generate', '--classes', '-o', 'out', '--from', 'snapshot.json', '--check')).code).toBe(0);
    expect(names()).toEqual(['billing.ts', 'index.ts', 'warehouse.ts']);
  });

  it.each([
    ['--ts', 'contracts.ts', 'export namespace Warehouse {'],
    ['--json-schema', 'schema.json', '"$defs"'],
    ['--snapshot', 'snapshot.json', '"format": 1'],
  ])('%s goes to stdout, to a file or into a folder', async (mode, file, content) => {
    const { run, cwd } = place();
    const { stdout } = await run('generate', mode, '--from', 'snapshot.json');
    expect(stdout).toContain(content);
    for (const [output, path] of [
      ['new', `new/${file}`],
      ['named/x.out', 'named/x.out'],
      ['.hidden/', `.hidden/${file}`],
    ] as const) {
      expect((await run('generate', mode, '--from', 'snapshot.json', '-o', output)).code).toBe(0);
      expect(readFileSync(join(cwd, path), 'utf8')).toBe(stdout);
      // Its own file may be replaced.
      expect((await run('generate', mode, '--from', 'snapshot.json', '--entities', 'billing', '-o', output)).code).toBe(
        0,
      );
    }
  });

  it.each<[string, readonly string[], string]>([
    ['nothing to make', [], 'one of: --classes, --ts'],
    ['two things', ['--ts', '--classes'], 'one of: --classes, --ts'],
    ['classes to nowhere', ['--classes'], 'Name the folder for the classes'],
    ['classes into a file', ['--classes', '-o', 'x.ts'], 'name a folder'],
    ['a check of nothing', ['--ts', '--check'], 'name it with -o'],
    [
      'an unknown type',
      ['--ts', '--entities', 'warehuose'],
      'There is no entity type warehuose. Did you mean warehouse?',
    ],
    ['a strange type', ['--ts', '--entities', 'x'], 'There are: warehouse, billing.'],
    ['no type', ['--ts', '--entities', ','], '--entities needs the names'],
  ])('refuses %s', async (_title, args, reason) => {
    const { code, stderr } = await place().run('generate', ...args, '--from', 'snapshot.json');
    expect([code, stderr]).toEqual([2, expect.stringContaining(reason)]);
  });
});

describe('check', () => {
  const after = (messages: ContractSnapshot['entities'][string]['messages']): ContractSnapshot => ({
    ...SNAPSHOT,
    entities: { ...SNAPSHOT.entities, warehouse: { group: 'stock', services: [], messages } },
  });

  async function check(now: ContractSnapshot, ...args: readonly string[]): Promise<Result> {
    const { cwd, run } = place();
    writeFileSync(join(cwd, 'now.json'), JSON.stringify(now));
    return run('check', '--against', 'snapshot.json', '--from', 'now.json', ...args);
  }

  it('fails on a change that breaks callers, and names it', async () => {
    const schema = object({ sku: { type: 'string' }, count: { type: 'number' } }, ['sku', 'count']);
    const broken = after({ Reserve: { kind: 'command', entityIdField: 'sku', schema }, New: { kind: 'query' } });
    const { code, stdout, stderr } = await check(broken);
    expect(code).toBe(1);
    expect(stdout).toBe(`Breaks existing callers:
  warehouse Reserve, payload: the field 'count' is required

Compatible:
  warehouse New: the message is new

2 changes since snapshot.json; 1 of them breaks existing callers.
`);
    expect(stderr).toContain('1 change breaks existing callers.');
    const json = await check(broken, '--json');
    expect([json.code, JSON.parse(json.stdout)]).toMatchObject([
      1,
      { breaking: 1, changes: [{ message: 'New' }, { breaking: true }] },
    ]);
    expect((await check(broken, '--entities', 'billing')).code).toBe(0);
    // Of a type that is in neither, nothing could be found out.
    expect(await check(broken, '--entities', 'warehuose')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Did you mean warehouse?'),
    });
  });

  it('passes where nothing breaks', async () => {
    const schema = object({ sku: { type: 'string' }, note: { type: 'string' } }, ['sku']);
    const { code, stdout } = await check(after({ Reserve: { kind: 'command', entityIdField: 'sku', schema } }));
    expect(code).toBe(0);
    expect(stdout).toContain("there is a new field 'note', which may be left out");
    expect((await check(SNAPSHOT)).stdout).toBe('Nothing has changed since snapshot.json.\n');
  });

  it('needs the older snapshot', async () => {
    const { run } = place();
    expect((await run('check', '--from', 'snapshot.json')).code).toBe(2);
    expect((await run('check', '--against', 'none.json', '--from', 'snapshot.json')).stderr).toContain(
      'There is no file',
    );
  });
});
