/** The built `atomic-queues` command as a process of its own, beside an application in another process. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { ShardCounts } from '../../src/wal/transition.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/cli/main.js');

beforeAll(() => {
  if (!existsSync(main) || !existsSync(join(root, 'dist/core.js')))
    throw new Error('dist is not there: run "npm run build" first.');
});

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function ended(child: ChildProcess): Promise<Result> {
  const [stdout, stderr]: string[][] = [[], []];
  child.stdout?.on('data', (piece: Buffer) => stdout?.push(piece.toString()));
  child.stderr?.on('data', (piece: Buffer) => stderr?.push(piece.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: stdout?.join('') ?? '', stderr: stderr?.join('') ?? '' };
}

function atomicQueues(args: readonly string[], cwd = tmpdir()): Promise<Result> {
  return ended(spawn(process.execPath, [main, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] }));
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'aq-cli-e2e-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

interface Settled {
  readonly completed: readonly (readonly [entityId: string, n: number])[];
  readonly counts: ShardCounts;
}

/** Asks the application for one thing and waits for the answer. */
type Ask = <T>(ask: string, rest?: object) => Promise<T>;

async function application(path: string): Promise<{ readonly child: ChildProcess; readonly ask: Ask }> {
  const child = fork(join(root, 'test/e2e/cli-app.mjs'), [path]);
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`The application ended with exit code ${String(code)}.`);
  });
  exited.catch(() => {});
  const answer = async <T>(): Promise<T> => {
    const [{ result }] = (await Promise.race([once(child, 'message'), exited])) as [{ result: T }];
    return result;
  };
  await answer();
  return {
    child,
    ask: (ask, rest = {}) => {
      const answered = answer<never>();
      child.send({ ask, ...rest });
      return answered;
    },
  };
}

/** The numbers that each entity completed, in order. */
function byEntity({ completed }: Settled, prefix: string): Map<string, number[]> {
  const lines = new Map<string, number[]>();
  for (const [entityId, n] of completed) {
    if (entityId.startsWith(prefix)) lines.set(entityId, [...(lines.get(entityId) ?? []), n]);
  }
  return lines;
}

function isAscending(numbers: readonly number[]): boolean {
  return numbers.every((n, index) => index === 0 || (numbers[index - 1] as number) < n);
}

describe('the atomic-queues command', () => {
  it('tells its version', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(await atomicQueues(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('ends wrong usage and a missing store with exit code 2 and makes no file', async () => {
    const cwd = folder();
    expect((await atomicQueues(['dlq', 'replay'], cwd)).code).toBe(2);
    expect((await atomicQueues(['dlq', 'list'], cwd)).code).toBe(2);
    expect((await atomicQueues(['dlq', 'purge', '--yes'], cwd)).code).toBe(2);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('replays 20,000 letters while the application serves a load: each runs once, in order (I4, I5, I7)', async () => {
    const path = join(folder(), 'store.db');
    const { ask } = await application(path);
    const letters = 20_000;
    expect(await ask('fail', { count: letters, entities: 500 })).toBe(letters);
    await ask('heal');
    await ask('settle');
    await ask('startLoad');
    await ask('measure');
    const { code, stdout, stderr } = await atomicQueues(['dlq', 'replay', '--all', '--json', '--path', path]);
    const measured = await ask<object>('measured');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await ask('enqueue', { entityId: 'e-1', n: letters + 1 });
    const sent = await ask<number>('stopLoad');
    const settled = await ask<Settled>('settle');
    // Timings depend on the machine, so they are shown and not judged.
    process.stdout.write(`${letters} replays beside ${sent} messages of load: ${JSON.stringify(measured)}\n`);
    expect(JSON.parse(stdout)).toMatchObject({ count: letters });
    const replayed = byEntity(settled, 'e-');
    const numbers = [...replayed.values()].flat();
    expect(numbers).toHaveLength(letters + 1);
    expect(new Set(numbers).size).toBe(letters + 1);
    for (const line of replayed.values()) expect(isAscending(line)).toBe(true);
    for (const line of byEntity(settled, 'load-').values()) expect(isAscending(line)).toBe(true);
    expect(sent).toBeGreaterThan(0);
    expect(settled.counts).toMatchObject({
      accepted: 2 * letters + sent + 1,
      completed: letters + sent + 1,
      failed: letters,
      pending: 0,
      deadLetters: 0,
    });
    await ask('stop');
  });

  it('purges while the application serves a load', async () => {
    const path = join(folder(), 'store.db');
    const { ask } = await application(path);
    await ask('fail', { count: 1_000, entities: 10 });
    await ask('startLoad');
    await ask('measure');
    const purge = await atomicQueues(['dlq', 'purge', '--entity-id', 'e-3', '--json', '--path', path]);
    expect(purge.code).toBe(0);
    expect(JSON.parse(purge.stdout)).toMatchObject({ count: 100 });
    process.stdout.write(`100 purges beside a load: ${JSON.stringify(await ask('measured'))}\n`);
    await ask('stopLoad');
    const { counts } = await ask<Settled>('settle');
    expect(counts).toMatchObject({ deadLetters: 900, pending: 0 });
    await ask('stop');
  });

  it('moves each letter once when two commands run at the same time (I5)', async () => {
    const path = join(folder(), 'store.db');
    const { ask } = await application(path);
    await ask('fail', { count: 2_000, entities: 20 });
    await ask('heal');
    await ask('startLoad');
    const replay = ['dlq', 'replay', '--all', '--json', '--path', path];
    const results = await Promise.all([atomicQueues(replay), atomicQueues(replay)]);
    await ask('stopLoad');
    const counts = results.map(({ stdout }) => (JSON.parse(stdout) as { count: number }).count);
    expect(counts.reduce((sum, count) => sum + count)).toBe(2_000);
    const settled = await ask<Settled>('settle');
    const numbers = [...byEntity(settled, 'e-').values()].flat();
    expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 2_000 }, (_, index) => index + 1));
    await ask('stop');
  });

  it('goes on without the application when that stops in the middle of a replay', async () => {
    const path = join(folder(), 'store.db');
    const { ask } = await application(path);
    await ask('fail', { count: 5_000, entities: 50 });
    const replay = atomicQueues(['dlq', 'replay', '--all', '--json', '--path', path]);
    await ask('stop');
    const { code, stdout } = await replay;
    expect({ code, count: (JSON.parse(stdout) as { count: number }).count }).toEqual({ code: 0, count: 5_000 });
    const next = await application(path);
    await next.ask('heal');
    const { counts } = await next.ask<Settled>('settle');
    expect(counts.accepted).toBe(10_000);
    expect(counts.pending).toBe(0);
    await next.ask('stop');
  });

  it('leaves messages that were running at a crash to the next start (I2)', async () => {
    const path = join(folder(), 'store.db');
    const crashed = await application(path);
    await crashed.ask('fail', { count: 300, entities: 3 });
    await crashed.ask('startLoad');
    await crashed.ask('measured');
    crashed.child.kill('SIGKILL');
    await once(crashed.child, 'exit');
    const before = JSON.parse((await atomicQueues(['counts', '--json', '--path', path])).stdout) as ShardCounts;
    const { code, stdout } = await atomicQueues(['dlq', 'replay', '--all', '--json', '--path', path]);
    expect({ code, count: (JSON.parse(stdout) as { count: number }).count }).toEqual({ code: 0, count: 300 });
    const after = JSON.parse((await atomicQueues(['counts', '--json', '--path', path])).stdout) as ShardCounts;
    expect(after).toEqual({
      ...before,
      accepted: before.accepted + 300,
      pending: before.pending + 300,
      deadLetters: 0,
    });
  });

  it('ends quietly when the reader of its output goes away', async () => {
    const path = join(folder(), 'store.db');
    const { ask } = await application(path);
    await ask('fail', { count: 1_000, entities: 10 });
    await ask('stop');
    const args = [main, 'dlq', 'list', '--limit', '1000', '--path', path];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    // A reader that takes a little and closes the pipe, as `head -1` does.
    child.stdout.once('data', () => child.stdout.destroy());
    const stderr: string[] = [];
    child.stderr.on('data', (piece: Buffer) => stderr.push(piece.toString()));
    const [code] = (await once(child, 'exit')) as [number | null];
    expect({ code, stderr: stderr.join('') }).toEqual({ code: 0, stderr: '' });
  });

  it('stops a long replay at SIGINT between batches and tells what was done', async () => {
    const path = join(folder(), 'store.db');
    const { ask } = await application(path);
    await ask('fail', { count: 10_000, entities: 50 });
    await ask('heal');
    const args = [main, 'dlq', 'replay', '--all', '--progress', '--path', path];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stderr.once('data', () => child.kill('SIGINT'));
    const { code, stdout, stderr } = await ended(child);
    expect(code).toBe(1);
    expect(stderr).toContain('Stopped before the end');
    const count = Number(/Replayed (\d+) dead letters?/.exec(stdout)?.[1]);
    const { counts } = await ask<Settled>('settle');
    expect(counts.deadLetters).toBe(10_000 - count);
    expect(count).toBeLessThan(10_000);
    await ask('stop');
  });
});
