/** `blocked list`, `retry` and `skip`: messages that hold up their lines until somebody decides about them (M17). */
import type { Command } from 'commander';
import { type BlockedFilter, type BlockedMessage, StoppedLines } from '../bus/stopped-lines.js';
import { type CommandStore, eachShard, withStore } from './command-store.js';
import { type ConsoleIo, NotDoneError, UsageError, wantsColour } from './console-io.js';
import { iso, printable, short, table, when } from './letter-view.js';
import { changing, sessionOf } from './line-commands.js';
import { type GlobalOptions, print, printJson } from './program-options.js';
import { storeAddress } from './store-address.js';
import { parseCount, parseDuration } from './times.js';

interface FilterOptions extends GlobalOptions {
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
}

interface PageOptions extends FilterOptions {
  readonly limit?: number | undefined;
  readonly cursor?: number | undefined;
}

interface ChangeOptions extends FilterOptions {
  readonly id?: readonly string[] | undefined;
  readonly all?: boolean | undefined;
  readonly timeout?: number | undefined;
}

/** A blocked message and where it is. */
interface Found {
  readonly id: string;
  readonly shard: number;
}

const ID_CHARACTERS = 40;
const ERROR_CHARACTERS = 60;

export function addBlockedCommands(program: Command, io: ConsoleIo): void {
  const blocked = program
    .command('blocked')
    .description("messages that failed and hold up their lines until they are retried or skipped (onFailure: 'block')");
  filtered(blocked.command('list').description('list blocked messages and what blocked them'))
    .option('--limit <n>', 'messages on a page, 1 to 1000 (default: 100)', parseCount(1, 1000))
    .option('--cursor <n>', 'go on after the page that ended with this cursor', parseCount(0, Number.MAX_SAFE_INTEGER))
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PageOptions>();
      await withStore(storeAddress(io, options), (store) => list(io, options, store));
    });
  for (const [change, what] of [
    ['retry', 'give blocked messages another attempt, in their places'],
    ['skip', 'move blocked messages to the dead letters; their lines go on'],
  ] as const) {
    filtered(blocked.command(change).description(what))
      .option(
        '--id <id>',
        'this message; can be given several times',
        (id: string, ids: readonly string[] | undefined) => [...(ids ?? []), id],
      )
      .option('--all', 'every blocked message')
      .option('--timeout <duration>', 'give up when nothing moves for so long (default: 30s)', parseDuration)
      .action(async (_options: unknown, command: Command) => {
        const options = command.optsWithGlobals<ChangeOptions>();
        checkSelection(options, change);
        await withStore(storeAddress(io, options), (store) => changeBlocked(io, options, store, change));
      });
  }
}

function filtered(command: Command): Command {
  return command
    .option('--entity-type <type>', 'only messages of this entity type')
    .option('--entity-id <id>', 'only the message of the entity with this id');
}

function filterOf({ entityType, entityId }: FilterOptions): BlockedFilter {
  return { ...(entityType !== undefined && { entityType }), ...(entityId !== undefined && { entityId }) };
}

async function list(io: ConsoleIo, options: PageOptions, { wal, shards }: CommandStore): Promise<void> {
  const { limit, cursor } = options;
  const page = await new StoppedLines(wal, () => shards).blocked({
    ...filterOf(options),
    ...(limit !== undefined && { limit }),
    ...(cursor !== undefined && { cursor }),
  });
  if (options.json) {
    printJson(io, {
      blocked: page.messages.map(blockedJson),
      ...(page.cursor !== undefined && { cursor: page.cursor }),
    });
    return;
  }
  if (page.messages.length === 0) {
    print(io, 'No blocked messages.');
    return;
  }
  const rows = page.messages.map((message) => [
    printable(message.id),
    short(`${message.entityType} ${message.entityId}`, ID_CHARACTERS),
    short(message.name, ID_CHARACTERS),
    String(message.attempts),
    message.blockedAt === undefined ? '' : when(message.blockedAt),
    message.error === undefined ? '' : short(`${message.error.name}: ${message.error.message}`, ERROR_CHARACTERS),
  ]);
  print(io, table(['id', 'entity', 'message', 'attempts', 'since', 'error'], rows, wantsColour(io)));
  if (page.cursor !== undefined) print(io, `There are more: add --cursor ${page.cursor}`);
}

/** Times are texts. */
export function blockedJson({ blockedAt, ...message }: BlockedMessage): Record<string, unknown> {
  return { ...message, ...(blockedAt !== undefined && { blockedAt: iso(blockedAt) }) };
}

function checkSelection(options: ChangeOptions, change: string): void {
  const given = [options.id !== undefined, Object.keys(filterOf(options)).length > 0, options.all === true];
  const count = given.filter(Boolean).length;
  if (count > 1) throw new UsageError('Choose the messages in one way: with --id, with filters, or with --all.');
  if (count === 0)
    throw new UsageError(`Say which messages to ${change}: --id <id>, a filter such as --entity-type, or --all.`);
}

async function changeBlocked(
  io: ConsoleIo,
  options: ChangeOptions,
  store: CommandStore,
  change: 'retry' | 'skip',
): Promise<void> {
  const ids: string[] = [];
  const notFound: string[] = [];
  await changing(io, options, store, async () => {
    const found = options.id === undefined ? await byFilter(store, filterOf(options)) : await byIds(store, options.id);
    notFound.push(...(options.id ?? []).filter((id) => !found.some((each) => each.id === id)));
    const type = change === 'retry' ? 'unblock' : 'skip';
    await eachShard([...new Set(found.map(({ shard }) => shard))], async (shard) => {
      const here = found.filter((each) => each.shard === shard).map(({ id }) => id);
      await sessionOf(store, shard, options.timeout).handIn(here.map((id) => ({ type, id })));
      ids.push(...here);
    });
  });
  const count = ids.length;
  const done = change === 'retry' ? 'have another attempt' : 'are dead letters now';
  if (options.json) printJson(io, { count, ids });
  else print(io, count === 1 ? singleText(ids[0] as string, change) : `${count} blocked messages ${done}.`);
  if (notFound.length > 0)
    throw new NotDoneError(`There is no blocked message ${notFound.map((id) => `"${id}"`).join(', ')}.`);
}

function singleText(id: string, change: 'retry' | 'skip'): string {
  return change === 'retry'
    ? `The blocked message ${printable(id)} has another attempt.`
    : `The blocked message ${printable(id)} is a dead letter now.`;
}

async function byFilter({ wal, shards }: CommandStore, filter: BlockedFilter): Promise<readonly Found[]> {
  const found: Found[] = [];
  for await (const { message, shard } of new StoppedLines(wal, () => shards).each(filter)) {
    found.push({ id: message.id, shard });
  }
  return found;
}

async function byIds({ wal, shards }: CommandStore, ids: readonly string[]): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const id of new Set(ids)) {
    const statuses = await eachShard(shards, (shard) => wal.status(shard, id));
    const shard = shards[statuses.findIndex((status) => status?.state === 'blocked')];
    if (shard !== undefined) found.push({ id, shard });
  }
  return found;
}
