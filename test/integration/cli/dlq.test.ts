/** `atomic-queues dlq …` on real store files, beside an application in this process and without one. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SqliteWal } from '../../../src/wal/sqlite/sqlite-wal.js';
import { application, applicationWithLetters, atomicQueues, folder } from './command-line.js';

interface ListJson {
  readonly letters: readonly { readonly id: string; readonly entityId: string; readonly payload: unknown }[];
  readonly cursor?: number;
}

async function listed(path: string, ...args: string[]): Promise<ListJson> {
  const { code, stdout, stderr } = await atomicQueues(['dlq', 'list', '--json', '--path', path, ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as ListJson;
}

const idsOf = ({ letters }: ListJson): string[] => letters.map(({ id }) => id);

describe('dlq list and show', () => {
  it('lists letters in pages, oldest first, as a table and as JSON', async () => {
    const { path, ids } = await applicationWithLetters(5);
    const first = await listed(path, '--limit', '3');
    expect(idsOf(first)).toEqual(ids.slice(0, 3));
    const second = await listed(path, '--limit', '3', '--cursor', String(first.cursor));
    expect(idsOf(second)).toEqual(ids.slice(3));
    expect(second.cursor).toBeUndefined();
    const table = await atomicQueues(['--path', path, 'dlq', 'list', '--limit', '3']);
    expect(table.code).toBe(0);
    for (const id of ids.slice(0, 3)) expect(table.stdout).toContain(id);
    expect(table.stdout).toContain(`--cursor ${first.cursor}`);
    expect(table.stdout).not.toContain('\u001b');
  });

  it('lists only what all filters take in', async () => {
    const app = await applicationWithLetters(4);
    const order = await app.enqueue('a', { n: 9, fails: true }, 'Order');
    await app.node.whenIdle();
    const { path, ids } = app;
    expect(idsOf(await listed(path, '--entity-type', 'order'))).toEqual([order]);
    expect(idsOf(await listed(path, '--entity-id', 'a'))).toEqual([ids[0], ids[2], order]);
    expect(idsOf(await listed(path, '--entity-id', 'a', '--name', 'Step'))).toEqual([ids[0], ids[2]]);
    expect(idsOf(await listed(path, '--reason', 'expired'))).toEqual([]);
    expect(idsOf(await listed(path, '--since', '1h'))).toHaveLength(5);
    expect(idsOf(await listed(path, '--until', '1h'))).toEqual([]);
  });

  it('shows a letter with payload, error and history, and with no control characters of its own', async () => {
    const { path, ids } = await applicationWithLetters(1);
    const id = ids[0]!;
    const text = await atomicQueues(['dlq', 'show', id, '--path', path]);
    expect(text.code).toBe(0);
    expect(text.stdout).toContain('RangeError: no 1\\u001b[31m');
    expect(text.stdout).toContain('"fails": true');
    expect(text.stdout).not.toContain('\u001b');
    const json = await atomicQueues(['dlq', 'show', id, '--path', path, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      id,
      entityType: 'account',
      entityId: 'a',
      name: 'Step',
      reason: 'failed',
      attempts: 1,
      payload: { n: 1, fails: true },
      error: { name: 'RangeError', data: { limit: 7 } },
      history: [{ attempt: 1, outcome: 'failed', at: expect.stringMatching(/^\d{4}-.*Z$/) as string }],
      diedAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    });
  });

  it('says that a letter is not there, exit code 1', async () => {
    const { path } = await applicationWithLetters(0);
    const { code, stderr, stdout } = await atomicQueues(['dlq', 'show', 'nobody', '--path', path]);
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: 'atomic-queues: There is no dead letter "nobody".\n',
    });
  });

  it('uses bold only on a terminal that wants colours (NO_COLOR)', async () => {
    const { path } = await applicationWithLetters(1);
    const args = ['dlq', 'list', '--path', path];
    expect((await atomicQueues(args, { tty: true })).stdout).toContain('\u001b[1m');
    expect((await atomicQueues(args, { tty: true, env: { NO_COLOR: '1' } })).stdout).not.toContain('\u001b');
  });
});

describe('dlq replay beside a running application', () => {
  it('puts a letter back as a new message that remembers its origin and runs (M17)', async () => {
    const app = await applicationWithLetters(2);
    const [id] = app.ids;
    app.heal();
    const { code, stdout } = await atomicQueues(['dlq', 'replay', '--id', id!, '--path', app.path, '--json']);
    expect(code).toBe(0);
    const { count, ids, newIds } = JSON.parse(stdout) as { count: number; ids: string[]; newIds: string[] };
    expect({ count, ids }).toEqual({ count: 1, ids: [id] });
    expect(newIds).toHaveLength(1);
    await app.node.whenIdle();
    expect(app.completed).toEqual(['a 1']);
    expect(idsOf(await listed(app.path))).toEqual([app.ids[1]]);
  });

  it('keeps the order of the letters of an entity, and their place ahead of later messages (I4)', async () => {
    const app = await applicationWithLetters(600);
    app.heal();
    const { code, stdout } = await atomicQueues(['dlq', 'replay', '--entity-id', 'a', '--path', app.path]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Replayed 300 dead letters.\n' });
    await app.enqueue('a', { n: 1000 });
    await app.node.whenIdle();
    const odd = Array.from({ length: 300 }, (_, index) => `a ${2 * index + 1}`);
    expect(app.completed).toEqual([...odd, 'a 1000']);
    expect((await app.node.deadLetters.list({ limit: 1000 })).letters).toHaveLength(300);
  });

  it('takes in each letter once when it dies again, so that a replay of everything ends', async () => {
    const app = await applicationWithLetters(450);
    const { code, stdout } = await atomicQueues(['dlq', 'replay', '--all', '--path', app.path]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Replayed 450 dead letters.\n' });
    await app.node.whenIdle();
    expect((await app.node.deadLetters.list({ limit: 1000 })).letters).toHaveLength(450);
  });

  it('moves each letter once when two commands run at the same time (I5)', async () => {
    const app = await applicationWithLetters(500);
    app.heal();
    const replay = ['dlq', 'replay', '--all', '--json', '--path', app.path];
    const results = await Promise.all([atomicQueues(replay), atomicQueues(replay)]);
    const counts = results.map(({ stdout }) => (JSON.parse(stdout) as { count: number }).count);
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
    expect(counts.toSorted((a, b) => a - b)).toEqual([0, 500]);
    await app.node.whenIdle();
    expect(app.completed).toHaveLength(500);
    expect(new Set(app.completed).size).toBe(500);
  });

  it('says which ids were not there and replays the others, exit code 1', async () => {
    const app = await applicationWithLetters(1);
    app.heal();
    const args = ['dlq', 'replay', '--id', app.ids[0]!, '--id', 'nobody', '--path', app.path];
    const { code, stdout, stderr } = await atomicQueues(args);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^Replayed 1 dead letter as \S+\.\n$/);
    expect(stderr).toBe('atomic-queues: There is no dead letter "nobody".\n');
  });

  it('shows progress on stderr on request and never beside JSON', async () => {
    const app = await applicationWithLetters(3);
    const replay = ['dlq', 'replay', '--all', '--progress', '--path', app.path];
    const shown = await atomicQueues(replay);
    expect(shown.stderr).toContain('Replaying');
    await app.node.whenIdle();
    expect((await atomicQueues([...replay, '--json'], { tty: true })).stderr).toBe('');
  });

  it('gives up when the application takes nothing in, and says what is handed in', async () => {
    const app = await applicationWithLetters(2);
    await app.node.stop();
    // An owner that holds the store and never commits.
    const silent = new SqliteWal({ path: app.path });
    await silent.start();
    const { code, stdout, stderr } = await atomicQueues([
      ...['dlq', 'replay', '--all', '--timeout', '150', '--json', '--path', app.path],
    ]);
    await silent.stop();
    expect({ code, result: JSON.parse(stdout) as unknown }).toEqual({
      code: 1,
      result: { count: 0, ids: [], newIds: [] },
    });
    expect(stderr).toContain('2 wishes are handed in');
    // The next owner takes them in, once.
    const next = await application(app.path);
    next.heal();
    await expect.poll(() => next.completed).toEqual(expect.arrayContaining(['a 1', 'b 2']));
    expect(next.completed).toHaveLength(2);
  });
});

describe('dlq without a running application', () => {
  it('replays and purges, and leaves the store free and its messages for the next start', async () => {
    const app = await applicationWithLetters(700);
    await app.node.stop();
    const replay = await atomicQueues(['dlq', 'replay', '--entity-id', 'a', '--path', app.path]);
    expect(replay).toMatchObject({ code: 0, stdout: 'Replayed 350 dead letters.\n' });
    const purge = await atomicQueues(['dlq', 'purge', '--entity-id', 'b', '--path', app.path]);
    expect(purge).toMatchObject({ code: 0, stdout: 'Purged 350 dead letters.\n' });
    const next = await application(app.path);
    next.heal();
    await next.node.whenIdle();
    expect(next.completed).toEqual(Array.from({ length: 350 }, (_, index) => `a ${2 * index + 1}`));
    expect(await next.node.deadLetters.count()).toBe(0);
    expect((await next.node.wal.counts(0)).accepted).toBe(1050);
  });

  it('leaves what was running to the next start to judge, which still sees the crash (I2, M13)', async () => {
    const path = join(folder(), 'store.db');
    const owner = { shard: 0, incarnation: 'app' };
    const message = {
      kind: 'command',
      entityType: 'account',
      entityId: 'a',
      name: 'Step',
      payload: '{"n":1}',
    } as const;
    const crashed = new SqliteWal({ path });
    await crashed.start();
    const { epoch } = await crashed.open(0, owner.incarnation);
    await crashed.commit({
      ...owner,
      epoch,
      number: 1,
      transitions: [
        { type: 'append', message: { ...message, id: 'dies' }, dispatch: true },
        { type: 'append', message: { ...message, id: 'runs', entityId: 'b' }, dispatch: true },
        { type: 'fail', seq: 1, error: { name: 'Error', message: 'no' } },
      ],
    });
    // Stopped without a release: what a crash leaves.
    await crashed.stop();
    const { code } = await atomicQueues(['dlq', 'replay', '--all', '--path', path]);
    expect(code).toBe(0);
    const next = new SqliteWal({ path });
    await next.start();
    const opened = await next.open(0, 'next');
    await next.stop();
    expect(opened.clean).toBe(false);
    expect(opened.inFlight.map(({ entityId }) => entityId)).toEqual(['b']);
    expect(opened.counts).toMatchObject({ accepted: 3, pending: 2, failed: 1, interrupted: 0, deadLetters: 0 });
  });

  it('releases a store that was released before', async () => {
    const app = await applicationWithLetters(1);
    await app.node.stop();
    await atomicQueues(['dlq', 'replay', '--all', '--path', app.path]);
    const next = new SqliteWal({ path: app.path });
    await next.start();
    const { clean } = await next.open(0, 'next');
    await next.stop();
    expect(clean).toBe(true);
  });
});

describe('dlq purge', () => {
  it('removes everything only with --yes where nobody can be asked', async () => {
    const { path } = await applicationWithLetters(2);
    const refused = await atomicQueues(['dlq', 'purge', '--path', path]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('--yes');
    expect((await listed(path)).letters).toHaveLength(2);
    const done = await atomicQueues(['dlq', 'purge', '--yes', '--json', '--path', path]);
    expect(JSON.parse(done.stdout)).toMatchObject({ count: 2 });
    expect((await listed(path)).letters).toEqual([]);
  });

  it.each([
    ['y\n', 0],
    ['n\n', 1],
    ['', 1],
  ])('asks on a terminal and takes %j as its answer', async (input, code) => {
    const { path } = await applicationWithLetters(2);
    const result = await atomicQueues(['dlq', 'purge', '--path', path], { tty: true, input });
    expect(result.stderr).toContain('Remove all 2 dead letters');
    expect(result.code).toBe(code);
    expect((await listed(path)).letters).toHaveLength(code === 0 ? 0 : 2);
  });

  it('removes one letter by id', async () => {
    const { path, ids } = await applicationWithLetters(2);
    const { stdout } = await atomicQueues(['dlq', 'purge', '--id', ids[0]!, '--path', path]);
    expect(stdout).toBe('Purged 1 dead letter.\n');
    expect(idsOf(await listed(path))).toEqual([ids[1]]);
  });
});

describe('status and counts', () => {
  it('tell how a message stands and how many there were (I7)', async () => {
    const { path, ids } = await applicationWithLetters(2);
    const status = await atomicQueues(['status', ids[0]!, '--json', '--path', path]);
    expect(JSON.parse(status.stdout)).toMatchObject({ id: ids[0], state: 'failed', entityType: 'account' });
    expect((await atomicQueues(['status', ids[0]!, '--path', path])).stdout).toMatch(/state\s+failed/);
    const counts = await atomicQueues(['counts', '--json', '--path', path]);
    expect(JSON.parse(counts.stdout)).toMatchObject({ accepted: 2, failed: 2, pending: 0, deadLetters: 2 });
    expect((await atomicQueues(['counts', '--path', path])).stdout).toContain('dead letters');
    expect((await atomicQueues(['status', 'nobody', '--path', path])).code).toBe(1);
  });
});

describe('wrong usage and unusable stores end with exit code 2 and one sentence', () => {
  it.each([
    [['dlq', 'replay'], /Say which letters to replay/],
    [['dlq', 'replay', '--all', '--id', 'x'], /in one way/],
    [['dlq', 'replay', '--all', '--name', 'x'], /in one way/],
    [['dlq', 'list', '--reason', 'lost'], /failed, interrupted, expired/],
    [['dlq', 'list', '--since', 'yesterday'], /ISO time/],
    [['dlq', 'list', '--since', '1h', '--until', '2h'], /--since must be before --until/],
    [['dlq', 'list', '--limit', '0'], /from 1 to 1000/],
    [['dlq', 'list', '--colour'], /unknown option/],
    [['dlq', 'lst'], /unknown command.*\n.*list/],
    [['dlq', 'show'], /missing required argument/],
    [[], /Usage:/],
  ])('%j', async (args, sentence) => {
    const { code, stdout, stderr } = await atomicQueues(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it.each(['list', 'show x', 'replay --all', 'purge --yes'])(
    'a missing store is not made by dlq %s',
    async (command) => {
      const cwd = folder();
      const { code, stderr } = await atomicQueues(['dlq', ...command.split(' ')], { cwd });
      expect(code).toBe(2);
      expect(stderr).toBe(
        `atomic-queues: There is no store at ${join(cwd, 'atomic-queues.db')}. Name its file with --path or ATOMIC_QUEUES_PATH, or run this in the folder that the application runs in.\n`,
      );
      expect(readdirSync(cwd)).toEqual([]);
    },
  );

  it('finds its store by --path, then by the environment, then in the folder', async () => {
    const cwd = folder();
    const inFolder = await atomicQueues(['counts'], { cwd });
    const byEnvironment = await atomicQueues(['counts'], { cwd, env: { ATOMIC_QUEUES_PATH: 'env.db' } });
    const byOption = await atomicQueues(['counts', '--path', 'option.db'], {
      cwd,
      env: { ATOMIC_QUEUES_PATH: 'env.db' },
    });
    expect(inFolder.stderr).toContain(join(cwd, 'atomic-queues.db'));
    expect(byEnvironment.stderr).toContain(join(cwd, 'env.db'));
    expect(byOption.stderr).toContain(join(cwd, 'option.db'));
  });

  it('a file that is no store, and a folder', async () => {
    const cwd = folder();
    writeFileSync(join(cwd, 'notes.txt'), 'not a store, and longer than a header of a database would be'.repeat(100));
    const file = await atomicQueues(['dlq', 'list', '--path', 'notes.txt'], { cwd });
    expect(file.code).toBe(2);
    expect(file.stderr).toContain('is not an atomic-queues store');
    const directory = await atomicQueues(['dlq', 'list', '--path', '.'], { cwd });
    expect(directory.code).toBe(2);
    expect(directory.stderr).toContain('is a folder');
    expect(existsSync(join(cwd, 'notes.txt-inbox'))).toBe(false);
  });

  it('shows the stack only with --verbose', async () => {
    const cwd = folder();
    const { stderr } = await atomicQueues(['counts', '--verbose'], { cwd });
    expect(stderr).toMatch(/^\s+at /m);
  });
});
