/** One run of one system on a fresh Redis: what is done, and what Redis saw of it. */
import { type Figures, inFreshFolder, type RunContext } from '../run.js';
import type { DescribedSystem } from './described.js';
import { Ledger } from './ledger.js';
import { type RedisServer, startRedis } from './redis-server.js';
import { CommandCounter, connections, scriptCalls } from './server-figures.js';
import type { StartedSystem, SystemOptions } from './system.js';

export interface Measuring {
  readonly server: RedisServer;
  readonly folder: string;
}

export async function onFreshRedis<T>(context: RunContext, work: (measuring: Measuring) => Promise<T>): Promise<T> {
  return inFreshFolder(context.folder, async (folder) => {
    const server = await startRedis(folder);
    try {
      return await work({ server, folder });
    } finally {
      await server.stop();
    }
  });
}

export interface SystemRun extends Measuring {
  readonly system: StartedSystem;
  readonly ledger: Ledger;
}

export type Wish = Pick<SystemOptions, 'entities' | 'waits' | 'callers'>;

/** Starts the system, lets `work` say how many messages it sent, checks them, and stops it. */
export function onFreshSystem<T extends { readonly sent: number }>(
  described: DescribedSystem,
  context: RunContext,
  wish: Wish,
  work: (run: SystemRun) => Promise<T>,
): Promise<T> {
  return onFreshRedis(context, async ({ server, folder }) => {
    if (described.load === undefined) throw new Error(`${described.name} cannot be started.`);
    const { start } = await described.load();
    const ledger = new Ledger(wish.entities);
    const redis = { host: server.host, port: server.port };
    const system = await start({ ...wish, folder, redis, ledger });
    try {
      const result = await work({ server, folder, system, ledger });
      ledger.check(result.sent, described.inOrder);
      await system.check(result.sent);
      return result;
    } finally {
      await system.stop();
    }
  });
}

let counter: CommandCounter | undefined;

export interface Seen {
  readonly commands: number;
  readonly scriptCalls: number;
  readonly connections: number;
}

export function seenFigures(seen: Seen, messages: number): Figures {
  return {
    commandsPerMessage: seen.commands / messages,
    scriptCallsPerMessage: seen.scriptCalls / messages,
    connections: seen.connections,
  };
}

/** What reached Redis while `work` ran; connections are those at its end. */
export async function watched<T>(
  server: RedisServer,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly seen: Seen }> {
  counter ??= new CommandCounter();
  const calls = await scriptCalls(server.admin);
  const commands = counter.count;
  const result = await work();
  const sent = counter.count - commands;
  return {
    result,
    seen: {
      commands: sent,
      scriptCalls: (await scriptCalls(server.admin)) - calls,
      connections: (await connections(server.admin)).total,
    },
  };
}
