/**
 * `dlq replay` and `dlq purge`: which letters, then the wishes, then what became of them. Everything is handed in through
 * `OfferedActions`, whether an application is at work or not.
 */
import { type DeadLetterActions, type DeadLetterFilter, DeadLetters } from '../dead-letter/dead-letters.js';
import { NotTakenInError, ShardsOfferedActions } from '../dead-letter/offered-actions.js';
import { commandRuntime } from './command-runtime.js';
import { type CommandStore, withStore } from './command-store.js';
import { confirm } from './confirmation.js';
import { type ConsoleIo, NotDoneError, UsageError } from './console-io.js';
import { NO_BAR, progressBar } from './progress.js';
import type { StoreAddress } from './store-address.js';

export interface ChangeRequest {
  readonly change: 'replay' | 'purge';
  readonly address: StoreAddress;
  readonly filter: DeadLetterFilter;
  readonly ids: readonly string[];
  readonly all: boolean;
  readonly yes: boolean;
  readonly json: boolean;
  readonly progress: boolean;
  readonly timeoutMs: number | undefined;
}

/** Letters that were moved, in order. */
interface Done {
  readonly id: string;
  readonly newId?: string | undefined;
}

const LOCK_TIMEOUT_MS = 30_000;

/** Prints the result. Throws `NotDoneError` when something that was asked for was not done. */
export async function changeDeadLetters(io: ConsoleIo, request: ChangeRequest): Promise<void> {
  checkSelection(request);
  await withStore(request.address, async (store) => {
    const letters = lettersOf(store, refusing);
    const isEverything = request.ids.length === 0 && isEmpty(request.filter);
    if (request.change === 'purge' && isEverything && !request.yes) {
      const count = await letters.count();
      if (count > 0 || io.stdin.isTTY !== true)
        await confirm(io, `Remove all ${count} dead letters of ${store.name} for good?`);
    }
    const waiting = (): void => {
      io.stderr.write('Waiting for another atomic-queues command that is changing this store …\n');
    };
    await store.oneAtATime(request.timeoutMs ?? LOCK_TIMEOUT_MS, waiting, async () => {
      if (request.ids.length > 0) await changeByIds(io, request, store);
      else await changeByFilter(io, request, store, await letters.count(request.filter));
    });
  });
}

/** The store's dead letters, in all of its shards. */
export function lettersOf({ wal, shards }: CommandStore, actions: DeadLetterActions): DeadLetters {
  return new DeadLetters(wal, actions, () => shards);
}

function checkSelection({ change, filter, ids, all }: ChangeRequest): void {
  const given = [ids.length > 0, !isEmpty(filter), all].filter(Boolean).length;
  if (given > 1) throw new UsageError('Choose the letters in one way: with --id, with filters, or with --all.');
  if (given === 0 && change === 'replay')
    throw new UsageError('Say which letters to replay: --id <id>, a filter such as --entity-type, or --all.');
}

function isEmpty(filter: DeadLetterFilter): boolean {
  return Object.values(filter).every((value) => value === undefined);
}

/** For looking only. */
const refusing: DeadLetterActions = {
  replay: () => Promise.reject(new Error('This is for reading.')),
  purge: () => Promise.reject(new Error('This is for reading.')),
};

function actionsFor({ timeoutMs }: ChangeRequest, store: CommandStore): ShardsOfferedActions {
  return new ShardsOfferedActions({
    wal: store.wal,
    runtime: commandRuntime,
    timeoutMs,
    standIn: (shard, session, number) => store.takeIn(shard, session, number),
  });
}

async function changeByIds(io: ConsoleIo, request: ChangeRequest, store: CommandStore): Promise<void> {
  const letters = lettersOf(store, actionsFor(request, store));
  const done: Done[] = [];
  const notFound: string[] = [];
  await Promise.all(
    [...new Set(request.ids)].map(async (id) => {
      if (request.change === 'replay') {
        const replayed = await letters.replay(id);
        if (replayed === undefined) notFound.push(id);
        else done.push({ id, newId: replayed.id });
      } else if (await letters.purge(id)) done.push({ id });
      else notFound.push(id);
    }),
  );
  report(io, request, done);
  if (notFound.length > 0)
    throw new NotDoneError(`There is no dead letter ${notFound.map((id) => `"${id}"`).join(', ')}.`);
}

async function changeByFilter(
  io: ConsoleIo,
  request: ChangeRequest,
  store: CommandStore,
  total: number,
): Promise<void> {
  const actions = actionsFor(request, store);
  const done: Done[] = [];
  let interrupted = false;
  const unlessInterrupted = (): void => {
    if (interrupted) throw new NotDoneError('Stopped before the end; the letters that are left were not touched.');
  };
  const letters = lettersOf(store, {
    replay: async (id, shard) => {
      unlessInterrupted();
      const newId = await actions.replay(id, shard);
      if (newId !== undefined) done.push({ id, newId });
      return newId;
    },
    purge: async (id, shard) => {
      unlessInterrupted();
      const isDone = await actions.purge(id, shard);
      if (isDone) done.push({ id });
      return isDone;
    },
  });
  const takeBack = io.onInterrupt(() => {
    interrupted = true;
  });
  const what = request.change === 'replay' ? 'Replaying' : 'Purging';
  const bar = request.json ? NO_BAR : progressBar(io, what, total, request.progress);
  try {
    await letters[request.change](request.filter, (count) => bar.update(count));
  } catch (error) {
    bar.stop();
    // What was done before is told as well; the error follows.
    if (error instanceof NotDoneError || error instanceof NotTakenInError) report(io, request, done);
    throw error;
  } finally {
    takeBack();
    bar.stop();
  }
  report(io, request, done);
}

function report(io: ConsoleIo, { change, json }: ChangeRequest, done: readonly Done[]): void {
  const count = done.length;
  if (json) {
    const ids = done.map(({ id }) => id);
    const newIds = change === 'replay' ? { newIds: done.map(({ newId }) => newId) } : {};
    io.stdout.write(`${JSON.stringify({ count, ids, ...newIds })}\n`);
    return;
  }
  const [only] = done;
  const verb = change === 'replay' ? 'Replayed' : 'Purged';
  const letters = `${count} dead letter${count === 1 ? '' : 's'}`;
  const as = count === 1 && only?.newId !== undefined ? ` as ${only.newId}` : '';
  io.stdout.write(`${verb} ${letters}${as}.\n`);
}
