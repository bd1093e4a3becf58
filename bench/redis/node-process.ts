/** Nodes in processes of their own: started, asked and stopped over the channel; gone when this process is. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { NotMeasured } from '../run.js';
import type { RedisAddress } from './redis-server.js';

export type NodeTask =
  | { readonly kind: 'owner'; readonly redis: RedisAddress; readonly serverId: string; readonly entities: number }
  | {
      readonly kind: 'orders';
      readonly redis: RedisAddress;
      readonly serverId: string;
      readonly index: number;
      readonly nodes: number;
      readonly dispatchAhead: number;
      readonly quick: boolean;
    };

/** What a node is asked, with what goes along. */
export interface Question {
  readonly ask: string;
  readonly number?: number | undefined;
}

export type Reply = { readonly answer: unknown } | { readonly failed: string } | { readonly notMeasured: string };

export interface NodeProcess {
  /** One question at a time. */
  ask<T>(question: string, number?: number): Promise<T>;
  stop(): Promise<void>;
}

const childPath = fileURLToPath(new URL('./node-child.js', import.meta.url));
const STOP_MS = 15_000;

/** @throws NotMeasured when the node does not start. */
export async function forkNode(task: NodeTask): Promise<NodeProcess> {
  const child = fork(childPath, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const killIt = (): void => {
    child.kill('SIGKILL');
  };
  process.on('exit', killIt);
  // Not `close`: that does not come when the channel was closed from this side.
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  void ended.then(() => process.off('exit', killIt));
  try {
    await exchange<unknown>(child, ended, task);
  } catch (error) {
    killIt();
    throw error;
  }
  return {
    ask: <T>(question: string, number?: number) =>
      exchange<T>(child, ended, { ask: question, number } satisfies Question),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.disconnect();
      const timer = setTimeout(killIt, STOP_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

function exchange<T>(child: ChildProcess, ended: Promise<void>, message: NodeTask | Question): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (reply: Reply) => {
      if ('answer' in reply) resolve(reply.answer as T);
      else if ('notMeasured' in reply) reject(new NotMeasured(reply.notMeasured));
      else reject(new Error(reply.failed));
    });
    void ended.then(() => reject(new Error('A node process ended without an answer.')));
    child.send(message);
  });
}
