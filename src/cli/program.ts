/**
 * The command line: its commands, options and exit codes. 0: done. 1: something that was asked for was not done. 2: the
 * command line is wrong, or the store cannot be used.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import type { DeadLetterFilter } from '../dead-letter/dead-letters.js';
import { NotTakenInError } from '../dead-letter/offered-actions.js';
import { isAtomicQueuesError } from '../message/errors.js';
import type { DeadLetterReason } from '../wal/transition.js';
import { StoreUnavailableError } from '../wal/wal.js';
import { addBlockedCommands } from './blocked-commands.js';
import { addClusterCommands } from './cluster-commands.js';
import { withStore } from './command-store.js';
import { type ConsoleIo, NotDoneError, UsageError, wantsColour } from './console-io.js';
import { addContractCommands } from './contract-commands.js';
import { changeDeadLetters, lettersOf } from './dead-letter-changes.js';
import { letterJson, letterText, listText } from './letter-view.js';
import { addLineCommands } from './line-commands.js';
import { addMessageCommands } from './message-commands.js';
import { type GlobalOptions, print, printJson } from './program-options.js';
import { addReminderCommands } from './reminder-commands.js';
import { storeAddress } from './store-address.js';
import { parseCount, parseDuration, parseTime } from './times.js';

interface FilterOptions {
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
  readonly name?: string | undefined;
  readonly reason?: DeadLetterReason | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

interface PageOptions extends FilterOptions {
  readonly limit?: number | undefined;
  readonly cursor?: number | undefined;
}

interface ChangeOptions extends FilterOptions {
  readonly id?: readonly string[] | undefined;
  readonly all?: boolean | undefined;
  readonly yes?: boolean | undefined;
  readonly progress?: boolean | undefined;
  readonly timeout?: number | undefined;
}

export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Runs one command and returns its exit code. Never throws. */
export async function run(args: readonly string[], io: ConsoleIo): Promise<number> {
  const program = makeProgram(io);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    return tell(error, io, args.includes('--verbose'));
  }
}

function tell(error: unknown, io: ConsoleIo, verbose: boolean): number {
  // Commander has said it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const failure = error instanceof Error ? error : new Error(String(error));
  io.stderr.write(`atomic-queues: ${verbose ? describeFully(failure) : failure.message}\n`);
  const unusable =
    failure instanceof UsageError ||
    failure instanceof StoreUnavailableError ||
    isAtomicQueuesError(failure, 'CONFIG_INVALID');
  if (unusable) return 2;
  const isExpected = failure instanceof NotDoneError || failure instanceof NotTakenInError;
  if (!isExpected && !verbose) io.stderr.write('Run it again with --verbose for the details.\n');
  return 1;
}

function describeFully(error: Error): string {
  const causes: string[] = [];
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    causes.push(cause.stack ?? cause.message);
  return causes.join('\nCaused by: ');
}

function makeProgram(io: ConsoleIo): Command {
  const program = new Command('atomic-queues')
    .description('Looks into the store of an application that uses atomic-queues, also while it runs.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ showGlobalOptions: true })
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print what a command does')
    .option('--path <file>', 'the store (default: $ATOMIC_QUEUES_PATH, or atomic-queues.db in this folder)')
    .option('--redis <url>', 'the Redis server that the store is on (default: $ATOMIC_QUEUES_REDIS)')
    .option('--prefix <name>', 'the keyPrefix of the application (default: $ATOMIC_QUEUES_PREFIX, or aq)')
    .option('--sentinels <nodes>', 'name@host:port,… of Sentinels (default: $ATOMIC_QUEUES_SENTINELS)')
    .option('--cluster <nodes>', 'host:port,… of a Redis Cluster (default: $ATOMIC_QUEUES_CLUSTER)')
    .option('--json', 'print JSON')
    .option('--verbose', 'print the stack of an error');
  const dlq = program.command('dlq').description('dead letters: messages that ended without completing');
  addList(dlq, io);
  addShow(dlq, io);
  addReplay(dlq, io);
  addPurge(dlq, io);
  addMessageCommands(program, io);
  addLineCommands(program, io);
  addBlockedCommands(program, io);
  addReminderCommands(program, io);
  addClusterCommands(program, io);
  addContractCommands(program, io);
  return program;
}

function addList(dlq: Command, io: ConsoleIo): void {
  filtered(dlq.command('list').description('list dead letters, oldest first'))
    .option('--limit <n>', 'letters on a page, 1 to 1000 (default: 100)', parseCount(1, 1000))
    .option('--cursor <n>', 'go on after the page that ended with this cursor', parseCount(0, Number.MAX_SAFE_INTEGER))
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PageOptions & GlobalOptions>();
      const filter = filterOf(options);
      await withStore(storeAddress(io, options), async (store) => {
        const page = await lettersOf(store, reading).list({
          ...filter,
          limit: options.limit,
          cursor: options.cursor,
        });
        const { letters, cursor } = page;
        if (options.json) printJson(io, { letters: letters.map(letterJson), ...(cursor !== undefined && { cursor }) });
        else print(io, listText(page, wantsColour(io)));
      });
    });
}

function addShow(dlq: Command, io: ConsoleIo): void {
  dlq
    .command('show <id>')
    .description('show one dead letter with its payload, error and history')
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withStore(storeAddress(io, options), async (store) => {
        const letter = await lettersOf(store, reading).get(id);
        if (letter === undefined) throw new NotDoneError(`There is no dead letter "${id}".`);
        if (options.json) printJson(io, letterJson(letter));
        else print(io, letterText(letter, wantsColour(io)));
      });
    });
}

function addReplay(dlq: Command, io: ConsoleIo): void {
  changing(
    dlq.command('replay').description("put dead letters back at the end of their entity's line, as new messages"),
  ).action(async (_options: unknown, command: Command) => change(io, 'replay', command));
}

function addPurge(dlq: Command, io: ConsoleIo): void {
  changing(dlq.command('purge').description('remove dead letters for good; all of them unless you choose'))
    .option('--yes', 'do not ask before everything is removed')
    .action(async (_options: unknown, command: Command) => change(io, 'purge', command));
}

function filtered(command: Command): Command {
  const time = (text: string): number => parseTime(text, Date.now());
  return command
    .option('--entity-type <type>', 'only letters of this entity type')
    .option('--entity-id <id>', 'only letters of the entity with this id')
    .option('--name <name>', 'only letters with this message name')
    .addOption(
      new Option('--reason <reason>', 'only letters that ended so').choices(['failed', 'interrupted', 'expired']),
    )
    .option('--since <time>', 'only letters that died then or later: ISO time, or how long ago (30m, 2h, 7d)', time)
    .option('--until <time>', 'only letters that died before then', time);
}

function changing(command: Command): Command {
  return filtered(command)
    .option(
      '--id <id>',
      'this letter; can be given several times',
      (id: string, ids: readonly string[] | undefined) => [...(ids ?? []), id],
    )
    .option('--all', 'every letter')
    .option('--progress', 'show progress also where stderr is no terminal')
    .option('--timeout <duration>', 'give up when nothing moves for so long (default: 30s)', parseDuration);
}

async function change(io: ConsoleIo, kind: 'replay' | 'purge', command: Command): Promise<void> {
  const options = command.optsWithGlobals<ChangeOptions & GlobalOptions>();
  await changeDeadLetters(io, {
    change: kind,
    address: storeAddress(io, options),
    filter: filterOf(options),
    ids: options.id ?? [],
    all: options.all === true,
    yes: options.yes === true,
    json: options.json === true,
    progress: options.progress === true,
    timeoutMs: options.timeout,
  });
}

function filterOf({ entityType, entityId, name, reason, since, until }: FilterOptions): DeadLetterFilter {
  if (since !== undefined && until !== undefined && since >= until) {
    throw new UsageError('No letter can be found: --since must be before --until.');
  }
  return { entityType, entityId, name, reason, since, until };
}

/** The commands that only look never ask for a change. */
const reading = {
  replay: (): Promise<undefined> => Promise.resolve(undefined),
  purge: (): Promise<boolean> => Promise.resolve(false),
};
