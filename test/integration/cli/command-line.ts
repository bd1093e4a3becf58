/** Runs the command line in this process, with streams that are kept as text; and stores with dead letters in them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { onTestFinished } from 'vitest';
import { run } from '../../../src/cli/program.js';
import { type AtomicQueuesNode, createNode } from '../../../src/core.js';

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly tty?: boolean;
  /** What the user types. */
  readonly input?: string;
}

/** A stream that keeps what is written to it. */
function recorder(isTTY: boolean): PassThrough & { isTTY: boolean; readonly text: () => string } {
  const chunks: string[] = [];
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  return Object.assign(stream, { isTTY, columns: 100, text: () => chunks.join('') });
}

export async function atomicQueues(args: readonly string[], around: Surroundings = {}): Promise<Result> {
  const { env = {}, cwd = tmpdir(), tty = false, input } = around;
  const stdout = recorder(tty);
  const stderr = recorder(tty);
  const stdin = Object.assign(new PassThrough(), { isTTY: tty });
  if (input !== undefined) stdin.end(input);
  const code = await run(args, { stdout, stderr, stdin, env, cwd, onInterrupt: () => () => {} });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'aq-cli-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export interface Step {
  readonly n: number;
  readonly fails?: boolean;
}

export interface App {
  readonly node: AtomicQueuesNode;
  readonly path: string;
  /** Entity and number of each message that a handler completed, in order. */
  readonly completed: string[];
  /** From now on nothing fails. */
  heal(): void;
  enqueue(entityId: string, step: Step, name?: string): Promise<string>;
}

/** A started application on a store, in this process. */
export async function application(path: string): Promise<App> {
  let healed = false;
  const completed: string[] = [];
  const node = createNode({ config: { store: { path } } });
  for (const type of ['account', 'order']) {
    node.handle(type, '*', (message, { entityId }) => {
      const step = message as Step;
      if (step.fails && !healed) throw Object.assign(new RangeError(`no ${step.n}\u001b[31m`), { limit: 7 });
      completed.push(`${entityId} ${step.n}`);
    });
  }
  await node.start();
  onTestFinished(async () => void (await node.stop()));
  return {
    node,
    path,
    completed,
    heal: () => {
      healed = true;
    },
    enqueue: async (entityId, step, name = 'Step') =>
      (await node.queueBus.enqueue(name === 'Order' ? 'order' : 'account', name, entityId, step)).id,
  };
}

/** An application whose store has a failed message 1 to `count` on the entities a and b in turn, and no others. */
export async function applicationWithLetters(count: number): Promise<App & { readonly ids: readonly string[] }> {
  const app = await application(join(folder(), 'store.db'));
  const ids: string[] = [];
  for (let n = 1; n <= count; n++) ids.push(await app.enqueue(n % 2 === 1 ? 'a' : 'b', { n, fails: true }));
  await app.node.whenIdle();
  return { ...app, ids };
}
