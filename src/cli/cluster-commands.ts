/** Commands for a store that several nodes share: `nodes`, `quarantine`, `reshard`. */
import { type Command } from 'commander';
import type { SharedWal } from '../wal/shared-wal.js';
import {
  heldBackRows,
  nodesJson,
  nodesText,
  type QuarantineRow,
  quarantineJson,
  quarantineText,
} from './cluster-view.js';
import { commandRuntime } from './command-runtime.js';
import { type CommandStore, eachShard, type SharedStore, withStore } from './command-store.js';
import { type ConsoleIo, UsageError, wantsColour } from './console-io.js';
import { type GlobalOptions, print, printJson } from './program-options.js';
import { type RedisAddress, storeAddress } from './store-address.js';
import { parseCount, parseDuration } from './times.js';
import { watchNodes } from './watched-nodes.js';

/** A node beats several times in this time; one that stands still is gone, or about to be. */
const WATCH_MS = 2_000;
const QUARANTINE_LIMIT = 100;
/** More than a lease and a node's time to live, so that whoever stood still for so long is gone. */
const RESHARD_WATCH_MS = 5_000;
const SHARDS_MAX = 4_096;

interface NodesOptions extends GlobalOptions {
  readonly watch?: number | undefined;
}

interface QuarantineOptions extends GlobalOptions {
  readonly limit?: number | undefined;
  readonly reopen?: number | undefined;
}

interface ReshardCommandOptions extends GlobalOptions {
  readonly shards?: number | undefined;
  readonly abandon?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly progress?: boolean | undefined;
  readonly watch?: number | undefined;
}

export function addClusterCommands(program: Command, io: ConsoleIo): void {
  program
    .command('nodes')
    .description('the nodes of a store on Redis, the service groups, their masters, and who is to run which slice')
    .option('--watch <duration>', 'how long to watch for heartbeats (default: 2s)', parseDuration)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<NodesOptions>();
      await withSharedStore(io, options, async ({ view }) => {
        const { last, nodes } = await watchNodes(view, commandRuntime, options.watch ?? WATCH_MS);
        if (options.json) printJson(io, nodesJson(last, nodes));
        else print(io, nodesText(last, nodes, wantsColour(io)));
      });
    });
  program
    .command('quarantine')
    .description(
      'list what was offered to a store on Redis and cannot be taken in, newest first, and the shards that nodes hold back',
    )
    .option('--limit <n>', 'offers to show, 1 to 1000 (default: 100)', parseCount(1, 1000))
    .option(
      '--reopen <shard>',
      'let a shard be opened at once that nodes hold back because none survived opening it',
      parseCount(0, Number.MAX_SAFE_INTEGER),
    )
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<QuarantineOptions>();
      const limit = options.limit ?? QUARANTINE_LIMIT;
      await withSharedStore(io, options, async ({ wal }, { shards }) => {
        if (options.reopen !== undefined) {
          await reopen(io, options, wal, shards, options.reopen);
          return;
        }
        const found = await eachShard(
          shards,
          async (shard): Promise<QuarantineRow[]> =>
            (await wal.quarantine(shard, limit)).map((offer) => ({ ...offer, shard })),
        );
        const rows = found
          .flat()
          .sort((left, right) => right.at - left.at)
          .slice(0, limit);
        const held = heldBackRows(shards, await wal.signs(shards));
        if (options.json) printJson(io, quarantineJson(rows, held));
        else print(io, quarantineText(rows, held, wantsColour(io)));
      });
    });
  program
    .command('reshard')
    .description('give a store on Redis another number of shards per service group; all nodes must be stopped')
    .option('--shards <n>', 'shards that each service group is to have, 1 to 4096', parseCount(1, SHARDS_MAX))
    .option('--abandon', 'give up a reshard that was interrupted before its copy was whole')
    .option('--dry-run', 'only tell what would be moved')
    .option('--progress', 'show progress also where stderr is no terminal')
    .option(
      '--watch <duration>',
      'how long to watch for nodes that live; more than their leaseMs (default: 5s)',
      parseDuration,
    )
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ReshardCommandOptions>();
      const address = redisAddress(io, options);
      const { shards, abandon = false } = options;
      if ((shards === undefined) !== abandon) throw new UsageError('Say --shards <n>, or --abandon.');
      const { reshardStore } = await import('./redis-reshard.js');
      await reshardStore(io, {
        address,
        shards: shards ?? 0,
        dryRun: options.dryRun === true,
        json: options.json === true,
        progress: options.progress === true,
        watchMs: options.watch ?? RESHARD_WATCH_MS,
      });
    });
}

async function reopen(
  io: ConsoleIo,
  options: GlobalOptions,
  wal: SharedWal,
  shards: readonly number[],
  shard: number,
): Promise<void> {
  if (!shards.includes(shard)) {
    throw new UsageError(
      shards.length === 0
        ? 'No node has been in this store yet: there are no shards.'
        : `There is no shard ${shard}; there are ${Math.min(...shards)} to ${Math.max(...shards)}.`,
    );
  }
  const [sign] = await wal.signs([shard]);
  const openings = sign?.openings ?? 0;
  await wal.forgetOpenings(shard);
  if (options.json) printJson(io, { shard, openings });
  else print(io, `Shard ${shard} may be opened at once (openings without a survivor so far: ${openings}).`);
}

async function withSharedStore(
  io: ConsoleIo,
  options: GlobalOptions,
  work: (shared: SharedStore, store: CommandStore) => Promise<void>,
): Promise<void> {
  await withStore(redisAddress(io, options), async (store) => {
    if (store.shared === undefined) throw new UsageError('This store is not shared by nodes.');
    await work(store.shared, store);
  });
}

function redisAddress(io: ConsoleIo, options: GlobalOptions): RedisAddress {
  const address = storeAddress(io, options);
  if (address.kind === 'redis') return address;
  throw new UsageError('This is for stores on Redis: name the server with --redis or ATOMIC_QUEUES_REDIS.');
}
