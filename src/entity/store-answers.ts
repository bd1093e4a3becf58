/**
 * What an answer of the store means for a line: where the message stands now, and who is told. Called in the order of the
 * commit, before the line goes on. It holds nothing itself; the worker's `committed` is the way in.
 */
import type { ErrorDescription } from '../message/envelope.js';
import type { Completion, Outcome, Transition } from '../wal/transition.js';
import type { EntityWorker } from './entity-worker.js';
import type { Item } from './item.js';

type Settlement = Extract<
  Transition,
  { readonly type: 'complete' | 'retry' | 'fail' | 'block' } | { readonly type: 'interrupt' }
>;

export function storeAnswered(
  worker: EntityWorker,
  item: Item,
  outcome: Outcome,
  transition: Transition,
  now: number,
): void {
  switch (transition.type) {
    case 'append':
      appendAnswered(worker, item, outcome, now);
      break;
    case 'dispatch':
      dispatchAnswered(worker, item, outcome);
      break;
    case 'retry':
    case 'interrupt':
    case 'complete':
    case 'fail':
    case 'block':
      worker.finishing -= 1;
      worker.host.runCommitted(item, transition.type === 'complete' ? transition : undefined, now);
      settlementAnswered(worker, item, outcome, transition);
      break;
    case 'expire':
      if (outcome.type === 'expired' && worker.takeOut(item.seq) !== undefined) {
        item.adopt(outcome.message);
        worker.end(item, 'expired');
      }
      // The clock was set back: the deadline is still to come.
      else if (outcome.type === 'not-due' && item.stage === 'waiting') worker.host.watchExpiry(item);
      break;
    default:
      break;
  }
}

function settlementAnswered(worker: EntityWorker, item: Item, outcome: Outcome, transition: Settlement): void {
  if (outcome.type === 'retried') {
    item.notBefore = outcome.notBefore;
    const unstarted = transition.type === 'retry' && transition.unstarted === true;
    if (unstarted) item.attempt -= 1;
    worker.waits(item);
    if (!unstarted) worker.host.retried(item, item.error, outcome.notBefore);
  } else if (isBlocking(transition)) {
    item.stage = 'blocked';
    worker.host.blocked(item, item.error ?? NO_ERROR);
  } else {
    if (outcome.type === 'sent') worker.host.sent(outcome.sent);
    const { type } = transition;
    worker.end(item, type === 'complete' ? 'completed' : type === 'fail' ? 'failed' : 'interrupted');
  }
}

const NO_ERROR: ErrorDescription = { name: 'Error', message: 'no error was recorded' };

export function isBlocking(transition: Settlement): boolean {
  return transition.type === 'block' || (transition.type === 'interrupt' && transition.block === true);
}

function appendAnswered(worker: EntityWorker, item: Item, outcome: Outcome, now: number): void {
  const isMarked = item.appendDispatches;
  const completes = item.append?.completes;
  if (outcome.type === 'appended' && outcome.completed !== undefined) {
    completedEarly(worker, item, completes ?? {}, outcome, now);
    return;
  }
  // What ran before it was durable, and left something with its append, has not started after all.
  if (item.early === 'begun' && (completes !== undefined || outcome.type !== 'appended')) worker.early.drop();
  item.append = undefined;
  if (outcome.type === 'appended') {
    item.seq = outcome.seq;
    item.enqueuedAt = now;
    item.expiresAt = outcome.expiresAt ?? 0;
    if (item.early === 'begun') {
      worker.host.accepted(item);
      worker.placedEarly(item);
      return;
    }
    if (item.early === 'candidate') {
      item.early = undefined;
      worker.early.closeLine();
    }
    if (item.early === 'dropped') {
      // Its handler is still at work on the run that was dropped.
      if (item.stage === 'appending') item.stage = 'waiting';
    } else if (outcome.dispatched) {
      item.attempt = 1;
      item.stage = 'marked';
      // What had taken a place ahead of it meanwhile had left the line again.
      if (!isMarked) worker.markStanding(item);
    } else {
      item.stage = 'waiting';
      if (isMarked) {
        worker.unmark(item);
        item.appendDispatches = false;
        worker.mailbox.putBack(item);
      }
    }
    worker.host.accepted(item);
    return;
  }
  if (isMarked) worker.unmark(item);
  else worker.mailbox.remove((each) => each === item);
  if (outcome.type === 'duplicate') {
    item.stage = 'ended';
    worker.host.duplicate(item, outcome);
  } else if (outcome.type === 'expired') {
    item.enqueuedAt = now;
    item.seq = outcome.message.seq;
    worker.host.accepted(item);
    worker.end(item, 'expired');
  } else if (outcome.type === 'delayed') {
    item.enqueuedAt = now;
    item.stage = 'waiting';
    worker.host.accepted(item);
    worker.host.delayed(item, outcome.notBefore);
  }
}

/** It ran before it was durable; now it is, and completed. */
function completedEarly(
  worker: EntityWorker,
  item: Item,
  completion: Completion,
  { seq, completed }: Extract<Outcome, { readonly type: 'appended' }>,
  now: number,
): void {
  item.append = undefined;
  item.seq = seq;
  item.enqueuedAt = now;
  worker.early.completed(item);
  item.stage = 'finishing';
  worker.host.runCommitted(item, completion, now);
  worker.host.accepted(item);
  if (completed !== undefined && completed.length > 0) worker.host.sent(completed);
  worker.end(item, 'completed');
}

function dispatchAnswered(worker: EntityWorker, item: Item, outcome: Outcome): void {
  // Withdrawn by something that was faster; whoever did that has told its waiter.
  if (item.stage === 'ended') return;
  const wasReleased = item.isUnmarked;
  worker.host.unmarkedOver(item);
  if (outcome.type === 'dispatched') {
    item.attempt = outcome.attempt;
    item.stage = 'marked';
    if (wasReleased) worker.interruptReleased(item);
    return;
  }
  worker.unmark(item);
  if (outcome.type === 'expired') {
    item.adopt(outcome.message);
    worker.end(item, 'expired');
  } else if (outcome.type === 'not-found') worker.end(item, 'cancelled');
  else {
    if (outcome.type === 'not-due') item.notBefore = outcome.dueAt;
    // It was released and is paused now: nothing of its run is left, and it runs again.
    if (wasReleased) item.attempt -= 1;
    worker.waits(item);
    worker.mailbox.putBack(item);
    worker.unmarkBehind(item);
  }
}
