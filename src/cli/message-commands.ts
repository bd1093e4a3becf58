/** `status` and `counts`: how one message stands, how the shards stand, and how many messages there were. */
import type { Command } from 'commander';
import type { ShardCounts } from '../wal/transition.js';
import type { StatusRecord } from '../wal/wal.js';
import { overviewJson, overviewText, readOverview } from './cluster-view.js';
import { type CommandStore, eachShard, withStore } from './command-store.js';
import { type ConsoleIo, NotDoneError, UsageError, wantsColour } from './console-io.js';
import { countsText, statusJson, statusText } from './letter-view.js';
import { type GlobalOptions, print, printJson } from './program-options.js';
import { storeAddress } from './store-address.js';

export function addMessageCommands(program: Command, io: ConsoleIo): void {
  program
    .command('status [id]')
    .description('how a message stands, by the id that enqueue gave; without an id: how the shards on Redis stand')
    .action(async (id: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withStore(storeAddress(io, options), (store) =>
        id === undefined ? tellOverview(io, options, store) : tellStatus(io, options, store, id),
      );
    });
  program
    .command('counts')
    .description('how many messages were accepted, are pending, and ended in which way')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withStore(storeAddress(io, options), async ({ wal, shards }) => {
        const counts = sumOf(await eachShard(shards, (shard) => wal.counts(shard)));
        if (options.json) printJson(io, counts);
        else print(io, countsText(counts, wantsColour(io)));
      });
    });
}

async function tellStatus(
  io: ConsoleIo,
  options: GlobalOptions,
  { wal, shards }: CommandStore,
  id: string,
): Promise<void> {
  const found = await eachShard(shards, (shard) => wal.status(shard, id));
  const status = found.find((each): each is StatusRecord => each !== undefined);
  if (status === undefined) {
    throw new NotDoneError(
      `The store does not know a message "${id}": it was never accepted, or it has ended and nobody asked to keep its verdict.`,
    );
  }
  if (options.json) printJson(io, statusJson(status));
  else print(io, statusText(status));
}

async function tellOverview(io: ConsoleIo, options: GlobalOptions, { shared, shards }: CommandStore): Promise<void> {
  if (shared === undefined) {
    throw new UsageError('Say which message: status <id>. A store in a file has no shards to show; see also counts.');
  }
  const overview = await readOverview(shared, shards);
  if (options.json) printJson(io, overviewJson(overview));
  else print(io, overviewText(overview, wantsColour(io)));
}

function sumOf(all: readonly ShardCounts[]): ShardCounts {
  const sum = (key: keyof ShardCounts): number => all.reduce((total, counts) => total + counts[key], 0);
  return {
    accepted: sum('accepted'),
    completed: sum('completed'),
    failed: sum('failed'),
    interrupted: sum('interrupted'),
    expired: sum('expired'),
    cancelled: sum('cancelled'),
    pending: sum('pending'),
    deadLetters: sum('deadLetters'),
    blocked: sum('blocked'),
  };
}
