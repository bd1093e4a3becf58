/** `reminders list` and `reminders forget`: messages that come again and again. */
import type { Command } from 'commander';
import { described, type Reminder, readReminders, reminderId } from '../bus/reminders.js';
import { type CommandStore, withStore } from './command-store.js';
import { type ConsoleIo, NotDoneError, UsageError, wantsColour } from './console-io.js';
import { iso, printable, short, table, when } from './letter-view.js';
import { type LineChoice, lineChoice, shardsOf } from './line-choice.js';
import { changing, sessionOf } from './line-commands.js';
import { type GlobalOptions, print, printJson } from './program-options.js';
import { storeAddress } from './store-address.js';
import { parseCount, parseDuration } from './times.js';

interface ListOptions extends GlobalOptions {
  readonly type?: string | undefined;
  readonly id?: string | undefined;
  readonly limit?: number | undefined;
}

interface ForgetOptions extends GlobalOptions {
  readonly type: string;
  readonly id: string;
  readonly name: string;
  readonly timeout?: number | undefined;
}

const LIMIT = 100;
const NAME_CHARACTERS = 40;

export function addReminderCommands(program: Command, io: ConsoleIo): void {
  const reminders = program.command('reminders').description('messages that come again and again');
  reminders
    .command('list')
    .description('list reminders and when each is due next')
    .option('--type <type>', 'only of this entity type')
    .option('--id <id>', 'only of the entity with this id (with --type)')
    .option('--limit <n>', 'reminders to show, 1 to 10000 (default: 100)', parseCount(1, 10_000))
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ListOptions>();
      await withStore(storeAddress(io, options), (store) => list(io, options, store));
    });
  reminders
    .command('forget')
    .description('end a reminder; a run of it that is in line stays')
    .requiredOption('--type <type>', 'the entity type')
    .requiredOption('--id <id>', 'the id of the entity')
    .requiredOption('--name <name>', 'the name of the reminder')
    .option('--timeout <duration>', 'give up when nothing moves for so long (default: 30s)', parseDuration)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ForgetOptions>();
      await withStore(storeAddress(io, options), (store) => forget(io, options, store));
    });
}

async function list(io: ConsoleIo, options: ListOptions, store: CommandStore): Promise<void> {
  const { type, id, limit = LIMIT } = options;
  if (type === undefined && id !== undefined) throw new UsageError('--id needs --type.');
  const line = type === undefined ? undefined : lineChoice({ type, id });
  const shards = line === undefined ? store.shards : await shardsOf(store, line);
  const found = await readReminders(store.wal, shards, { ...line, limit });
  const reminders = found.map(({ message, recurrence }) => described(message, recurrence, JSON.parse(message.payload)));
  if (options.json)
    printJson(io, { reminders: reminders.map((each) => ({ ...each, nextRunAt: iso(each.nextRunAt) })) });
  else if (reminders.length === 0) print(io, 'There are no reminders.');
  else {
    const rows = reminders.map((each) => [
      printable(short(each.name, NAME_CHARACTERS)),
      printable(`${each.entityType} ${each.entityId}`),
      printable(each.message),
      printable(timesOf(each)),
      when(each.nextRunAt),
    ]);
    print(io, table(['name', 'entity', 'message', 'when', 'next'], rows, wantsColour(io)));
  }
}

async function forget(io: ConsoleIo, options: ForgetOptions, store: CommandStore): Promise<void> {
  const { type, id, name, timeout } = options;
  const line: LineChoice & { entityId?: string | undefined } = lineChoice({ type, id });
  const { entityType, entityId = id } = line;
  const wanted = reminderId(entityType, entityId, name);
  const found = await readReminders(store.wal, await shardsOf(store, line), { entityType, entityId });
  const shard = found.find(({ message }) => message.id === wanted)?.shard;
  if (shard === undefined)
    throw new NotDoneError(`${entityType} ${JSON.stringify(entityId)} has no reminder ${JSON.stringify(name)}.`);
  await changing(io, options, store, () => sessionOf(store, shard, timeout).handIn([{ type: 'cancel', id: wanted }]));
  if (options.json) printJson(io, { entityType, entityId, name, forgotten: true });
  else
    print(
      io,
      `The reminder ${printable(JSON.stringify(name))} of ${printable(`${entityType} ${entityId}`)} is forgotten.`,
    );
}

function timesOf({ cron, everyMs, timezone }: Reminder): string {
  return cron === undefined ? `every ${everyMs ?? 0} ms` : `${cron} (${timezone ?? 'UTC'})`;
}
