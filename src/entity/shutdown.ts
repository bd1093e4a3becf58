/**
 * How an owner lets go: nothing new starts, what runs may end within a deadline, and what is left is told. Messages that
 * have not started stay in the store for the next owner.
 */
import { AtomicQueuesError } from '../message/errors.js';
import type { Item } from './item.js';
import type { ShardOwner } from './shard-owner.js';
import { failWaits, handWaitsOver, leaveWaits, stillInStore, stopped } from './waits.js';

/** How long the last outcomes may take to become durable after the shutdown's deadline, milliseconds. */
const LAST_COMMIT_MS = 2_000;

export interface StopReport {
  /** Handlers that were running when the stop began and ended in time. */
  readonly drained: number;
  /** Handlers that did not end in time: their messages are `interrupted`. */
  readonly abandoned: readonly {
    readonly id: string;
    readonly entityType: string;
    readonly entityId: string;
    readonly name: string;
  }[];
  /** Messages that stay in the store and run after the next start. */
  readonly pending: number;
}

/**
 * @param handOver another node goes on with the shard: those who wait here are handed over too. Otherwise this node ends
 *   and they are told so.
 */
export async function drain(owner: ShardOwner, deadlineMs: number, handOver = false): Promise<StopReport> {
  return (await letGo(owner, deadlineMs, handOver, false)) as StopReport;
}

/**
 * As `drain` for another node, but nothing is interrupted for it: when handlers are still at work at the deadline, the
 * owner goes on, and the answer is undefined.
 */
export function drainOrGoOn(owner: ShardOwner, deadlineMs: number): Promise<StopReport | undefined> {
  return letGo(owner, deadlineMs, true, true);
}

async function letGo(
  owner: ShardOwner,
  deadlineMs: number,
  handOver: boolean,
  orGoOn: boolean,
): Promise<StopReport | undefined> {
  if (owner.phase === 'closed' || owner.phase === 'recovering') {
    await owner.close(false);
    return { drained: 0, abandoned: [], pending: owner.door.depth };
  }
  const { runtime } = owner.options;
  if (owner.phase !== 'lost') owner.phase = 'draining';
  const leave = (): void => (handOver ? handWaitsOver(owner) : failWaits(owner));
  leave();
  const { running } = owner.executor;
  for (const worker of [...owner.directory.all()]) worker.advance();
  const before = running.size + owner.executor.starting;
  await settledOrDeadline(owner, deadlineMs, leave, !orGoOn);
  if (orGoOn && running.size > 0 && owner.phase === 'draining') {
    owner.phase = 'running';
    void owner.catchUp.goOn();
    owner.advanceAll();
    return undefined;
  }
  for (const item of owner.executor.giveBackLoading()) item.worker.notStarted(item);
  const left = [...running];
  const abandoned = left.map((item) => {
    const { entityType, entityId } = item.worker;
    return { id: item.id, entityType, entityId, name: item.name };
  });
  for (const item of left) {
    const error = {
      name: 'ShutdownDeadline',
      message: `The handler had not settled ${deadlineMs} ms after the shutdown began.`,
    };
    item.active?.abort(new AtomicQueuesError('SHUTTING_DOWN', error.message, { subject: item.errorSubject() }));
    if (item.isVolatile) item.waiter?.fail(stopped(item));
    else if (item.worker.release(item, error, goesBack(owner, item))) owner.executor.forget(item);
  }
  // What settled in the last moment, and what was put back, becomes durable before the shard is given up.
  const endsAt = runtime.clock.monotonic() + LAST_COMMIT_MS;
  while (owner.lostWith === undefined) {
    await within(owner, owner.commits.whenIdle(), endsAt);
    await new Promise<void>((resolve) => runtime.timers.defer(resolve));
    leave();
    if (owner.commits.idle) break;
    if (runtime.clock.monotonic() < endsAt) continue;
    owner.commits.lose(new Error('The store did not take the last outcomes before the shutdown ended.'));
  }
  const pending = owner.door.depth;
  if (handOver) leaveWaits(owner);
  owner.verdicts.failAll((id) => stillInStore(id));
  await owner.close(owner.lostWith === undefined);
  return { drained: before - abandoned.length, abandoned, pending };
}

function goesBack(owner: ShardOwner, { worker, name, interruptions }: Item): boolean {
  return owner.afterInterruption(worker.entityType, name, interruptions) === 'retry';
}

/** Resolves when `promise` does, or at a monotonic time: a store that does not answer must not hold up the end. */
async function within(owner: ShardOwner, promise: Promise<void>, endsAt: number): Promise<void> {
  const { clock, timers } = owner.options.runtime;
  await new Promise<void>((resolve) => {
    const timer = timers.set(resolve, endsAt - clock.monotonic());
    void promise.then(() => {
      timers.clear(timer);
      resolve();
    });
  });
}

/** @param relays what handlers have sent goes out before the end as well, as far as time allows. */
async function settledOrDeadline(
  owner: ShardOwner,
  deadlineMs: number,
  leave: () => void,
  relays: boolean,
): Promise<void> {
  const { runtime } = owner.options;
  const endsAt = runtime.clock.monotonic() + deadlineMs;
  for (;;) {
    await within(owner, owner.commits.whenIdle(), endsAt);
    // A dispatch that was on its way when the stop began may just have come back: it is put back, not started.
    await new Promise<void>((resolve) => runtime.timers.defer(resolve));
    leave();
    const leftMs = endsAt - runtime.clock.monotonic();
    if (leftMs <= 0) return;
    if (!owner.commits.idle && owner.lostWith === undefined) continue;
    if (owner.executor.isIdle) {
      if (relays && !owner.outbox.isIdle) await within(owner, owner.outbox.whenIdle(), endsAt);
      if (owner.executor.isIdle && owner.outbox.isIdle) return;
      if (!relays) return;
      continue;
    }
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stopListening();
        runtime.timers.clear(timer);
        resolve();
      };
      const stopListening = owner.events.on('settled', done);
      const timer = runtime.timers.set(done, leftMs);
    });
  }
}
