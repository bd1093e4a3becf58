/** `pause`, `resume`, `paused` and `purge`: lines that start nothing, and lines that are emptied. */
import type { Command } from 'commander';
import { StoppedLines } from '../bus/stopped-lines.js';
import { OfferSession } from '../wal/offer-session.js';
import type { OfferedTransition } from '../wal/wal.js';
import { commandRuntime } from './command-runtime.js';
import { type CommandStore, eachShard, withStore } from './command-store.js';
import { confirm } from './confirmation.js';
import { type ConsoleIo, wantsColour } from './console-io.js';
import { printable, table } from './letter-view.js';
import { choiceText, type LineChoice, lineChoice, shardsOf } from './line-choice.js';
import { type GlobalOptions, print, printJson } from './program-options.js';
import { storeAddress } from './store-address.js';
import { parseDuration } from './times.js';

interface LineOptions extends GlobalOptions {
  readonly type: string;
  readonly id?: string | undefined;
  readonly timeout?: number | undefined;
  readonly yes?: boolean | undefined;
}

const LOCK_TIMEOUT_MS = 30_000;
/** Messages looked at, and withdrawn, at a time. */
const PAGE = 500;
/** Later than any delayed message. */
const ANY_TIME = Number.MAX_SAFE_INTEGER;

export function addLineCommands(program: Command, io: ConsoleIo): void {
  for (const change of ['pause', 'resume'] as const) {
    const what =
      change === 'pause'
        ? 'start no more messages of an entity type, or of one entity; new ones are accepted and wait'
        : 'start messages again; entities that were paused on their own stay paused';
    ofLine(program.command(change).description(what)).action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<LineOptions>();
      await setPaused(io, options, change);
    });
  }
  program
    .command('paused')
    .description('list the entity types and entities that are paused')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withStore(storeAddress(io, options), (store) => listPaused(io, options, store));
    });
  ofLine(
    program.command('purge').description('withdraw every message of an entity type or entity that has not started'),
  )
    .option('--yes', 'do not ask')
    .action(async (_options: unknown, command: Command) => purge(io, command.optsWithGlobals<LineOptions>()));
}

function ofLine(command: Command): Command {
  return command
    .requiredOption('--type <type>', 'the entity type')
    .option('--id <id>', 'only the entity with this id')
    .option('--timeout <duration>', 'give up when nothing moves for so long (default: 30s)', parseDuration);
}

async function setPaused(io: ConsoleIo, options: LineOptions, type: 'pause' | 'resume'): Promise<void> {
  const line = lineChoice(options);
  await withStore(storeAddress(io, options), async (store) => {
    const shards = await shardsOf(store, line);
    await changing(io, options, store, () =>
      eachShard(shards, (shard) => sessionOf(store, shard, options.timeout).handIn([{ type, ...line }])),
    );
  });
  if (options.json) printJson(io, { ...line, paused: type === 'pause' });
  else print(io, `${type === 'pause' ? 'Paused' : 'Resumed'} ${printable(choiceText(line))}.`);
}

async function listPaused(io: ConsoleIo, options: GlobalOptions, { wal, shards }: CommandStore): Promise<void> {
  const paused = await new StoppedLines(wal, () => shards).paused();
  if (options.json) printJson(io, { paused });
  else if (paused.length === 0) print(io, 'Nothing is paused.');
  else {
    const rows = paused.map(({ entityType, entityId }) => [printable(entityType), printable(entityId ?? '(all)')]);
    print(io, table(['entity type', 'entity'], rows, wantsColour(io)));
  }
}

async function purge(io: ConsoleIo, options: LineOptions): Promise<void> {
  const line = lineChoice(options);
  await withStore(storeAddress(io, options), async (store) => {
    const shards = await shardsOf(store, line);
    if (options.yes !== true) {
      await confirm(
        io,
        `Withdraw every message of ${choiceText(line)} in ${store.name} that has not started?`,
        `This would withdraw every message of ${choiceText(line)} that has not started. Add --yes if that is what you want.`,
      );
    }
    let count = 0;
    await changing(io, options, store, async () => {
      for (const shard of shards) count += await purgeShard(store, shard, line, options.timeout);
    });
    if (options.json) printJson(io, { ...line, count });
    else print(io, `Withdrew ${count} message${count === 1 ? '' : 's'} of ${printable(choiceText(line))}.`);
  });
}

async function purgeShard(
  store: CommandStore,
  shard: number,
  line: LineChoice,
  timeoutMs: number | undefined,
): Promise<number> {
  const { wal } = store;
  const isMeant = (message: LineChoice): boolean =>
    message.entityType === line.entityType && (line.entityId === undefined || message.entityId === line.entityId);
  const session = sessionOf(store, shard, timeoutMs);
  let count = 0;
  const withdraw = async (ids: readonly string[]): Promise<void> => {
    if (ids.length === 0) return;
    await session.handIn(ids.map((id): OfferedTransition => ({ type: 'cancel', id })));
    // One that has started meanwhile is still there, or ended otherwise.
    const left = await Promise.all(ids.map((id) => wal.status(shard, id)));
    count += left.filter((status) => status === undefined || status.state === 'cancelled').length;
  };
  let after = 0;
  for (;;) {
    const page = await wal.scan(shard, after, PAGE);
    const seqs = page.filter((head) => head.state === 'enqueued' && head.attempt === 0 && isMeant(head));
    const messages = await wal.load(
      shard,
      seqs.map(({ seq }) => seq),
    );
    await withdraw(messages.map(({ id }) => id));
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) break;
    after = last.seq;
  }
  const due = await wal.due(shard, ANY_TIME, ANY_TIME);
  // A reminder is no waiting message: it goes when it is forgotten.
  const ids = due.ids.filter((id) => !Object.hasOwn(due.recurring ?? {}, id));
  for (let start = 0; start < ids.length; start += PAGE) {
    const found = await Promise.all(ids.slice(start, start + PAGE).map((id) => wal.status(shard, id)));
    await withdraw(found.flatMap((status) => (status !== undefined && isMeant(status) ? [status.id] : [])));
  }
  return count;
}

/** Runs `work` while no other command changes the store, so that what is counted is its own doing. */
export async function changing(
  io: ConsoleIo,
  { timeout }: { readonly timeout?: number | undefined },
  store: CommandStore,
  work: () => Promise<unknown>,
): Promise<void> {
  const waiting = (): void => {
    io.stderr.write('Waiting for another atomic-queues command that is changing this store …\n');
  };
  await store.oneAtATime(timeout ?? LOCK_TIMEOUT_MS, waiting, work);
}

export function sessionOf(store: CommandStore, shard: number, timeoutMs: number | undefined): OfferSession {
  return new OfferSession({
    wal: store.wal,
    runtime: commandRuntime,
    shard,
    timeoutMs,
    standIn: (session, number) => store.takeIn(shard, session, number),
  });
}
