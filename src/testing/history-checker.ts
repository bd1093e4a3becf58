/**
 * Decides I1 to I8 of the contract from the history of a run, event by event, in time that grows as the log does, and
 * keeps for every violation the few events that prove it. It follows the log and hands each event to the rules; what a
 * history is and what its order means is said in `history.ts`.
 *
 * Not decided here: I9 and I10 (a matter of measuring), and what the log does not tell. Without `final` snapshots the
 * fate of commands without a verdict is counted as `undecided`.
 */
import type { HistoryEvent } from './history.js';
import { FinalAccounts } from './history-account-rules.js';
import { checkMark } from './history-attempt-rules.js';
import { callAnswered, callMade, callRejected, callResolved, linkCall } from './history-calls.js';
import { HistoryFollower } from './history-follower.js';
import { HistoryLedger } from './history-ledger.js';
import { endLife } from './history-life.js';
import { operatorAnswered, operatorCalled } from './history-operator-rules.js';
import { checkQuiescent } from './history-order-rules.js';
import { checkCommit, checkOpened } from './history-ownership-rules.js';
import type { HistoryReport } from './history-report.js';
import {
  type CallTrack,
  type EntityTrack,
  entityName,
  type HistoryOptions,
  isBeforeLine,
  isDurable,
} from './history-tracks.js';
import { checkNeverAnswered, wasRefused } from './history-verdict-rules.js';

/** Checks a whole history. */
export function checkHistory(events: Iterable<HistoryEvent>, options: HistoryOptions = {}): HistoryReport {
  const checker = new HistoryChecker(options);
  for (const event of events) checker.add(event);
  return checker.finish();
}

/** The same, fed with one event at a time: for histories that are too long to hold. */
export class HistoryChecker {
  private readonly ledger: HistoryLedger;
  private readonly accounts: FinalAccounts;
  private readonly follower: HistoryFollower;

  constructor(options: HistoryOptions = {}) {
    this.ledger = new HistoryLedger(options);
    this.accounts = new FinalAccounts(this.ledger);
    this.follower = new HistoryFollower(this.ledger);
  }

  /** The next event of the log. */
  add(event: HistoryEvent): void {
    const { ledger, follower } = this;
    const position = ledger.events;
    ledger.events += 1;
    ledger.steps += 1;
    follower.count(event);
    switch (event.type) {
      case 'nodeStarted':
        return;
      case 'nodeStopped':
        return endLife(ledger, event.node, false);
      case 'crashed':
        return endLife(ledger, event.node, true);
      case 'enqueueCalled':
        return callMade(ledger, { position, event });
      case 'enqueueResolved':
        return callResolved(ledger, { position, event });
      case 'enqueueRejected':
        return callRejected(ledger, { position, event });
      case 'answered':
        return callAnswered(ledger, { position, event });
      case 'linked':
        return linkCall(ledger, event.call, ledger.message(event.id), { position, event });
      case 'accepted':
        return follower.accepted({ position, event });
      case 'duplicate':
        return follower.duplicate(event);
      case 'promoted':
        return follower.promoted({ position, event });
      case 'dispatched':
        checkMark(ledger, { position, event }, ledger.message(event.id));
        return follower.dispatched({ position, event });
      case 'started':
        return follower.started({ position, event });
      case 'handlerEnded':
        return follower.handlerEnded({ position, event });
      case 'abandoned':
        return follower.abandoned(event);
      case 'retried':
        return follower.retried({ position, event });
      case 'blocked':
        return follower.blocked({ position, event });
      case 'unblocked':
        return follower.unblocked(event);
      case 'ended':
        return follower.ended({ position, event });
      case 'cancelCalled':
        return follower.cancelCalled({ position, event });
      case 'replayCalled':
      case 'purgeCalled':
        ledger.message(event.id).letterCalled = { position, event };
        return;
      case 'replayed':
        return follower.replayed({ position, event });
      case 'purged':
        follower.letterGone({ position, event });
        return;
      case 'paused':
      case 'resumed':
        return follower.paused(event);
      case 'operatorCalled':
        return operatorCalled(ledger, { position, event });
      case 'operatorAnswered':
        return operatorAnswered(ledger, { position, event });
      case 'opened':
        return checkOpened(ledger, { position, event });
      case 'commitCalled':
      case 'committed':
        return checkCommit(ledger, { position, event });
      case 'quiescent':
        return checkQuiescent(ledger, { position, event });
      case 'final':
        return this.accounts.add({ position, event });
    }
  }

  /** After the last event. */
  finish(): HistoryReport {
    const { ledger } = this;
    const unanswered = new Map<EntityTrack, number>();
    let unansweredCommands = 0;
    for (const call of ledger.calls.values()) {
      ledger.steps += 1;
      const { entityType, entityId, kind } = call.called.event;
      if (call.message === undefined && !wasRefused(call)) {
        const entity = ledger.entity(entityType, entityId);
        unanswered.set(entity, (unanswered.get(entity) ?? 0) + 1);
        if (kind === 'command' || entity.rules.queries === 'durable') unansweredCommands += 1;
      }
      if (!call.life.calls.has(call) || call.life.crashed) continue;
      checkNeverAnswered(ledger, call, this.mayStillWait(call));
    }
    if (ledger.closedWorld) unansweredCommands += this.checkStrangers(unanswered);
    this.accounts.settle(unansweredCommands);
    return ledger.report();
  }

  /** Whether what the call waits for, as far as that is known, has not ended yet. */
  private mayStillWait({ called, message }: CallTrack): boolean {
    const entity = this.ledger.entity(called.event.entityType, called.event.entityId);
    if (message === undefined) return this.accounts.pending.size > 0 || entity.waiting.size > 0;
    if (this.accounts.pending.has(message.id)) return true;
    return entity.waiting.has(message) || entity.delayed.has(message) || entity.held.has(message);
  }

  /** Messages that no call made. Returns how many replays may have made one without the log telling. */
  private checkStrangers(unanswered: Map<EntityTrack, number>): number {
    const { ledger } = this;
    let quietReplays = 0;
    for (const letter of ledger.messages.values()) {
      ledger.steps += 1;
      if (letter.letterCalled?.event.type !== 'replayCalled' || letter.letterGone !== undefined) continue;
      if (letter.entity === undefined || ledger.crashes === 0) continue;
      quietReplays += 1;
      unanswered.set(letter.entity, (unanswered.get(letter.entity) ?? 0) + 1);
    }
    for (const message of ledger.messages.values()) {
      ledger.steps += 1;
      const { entity } = message;
      if (message.claimed || message.origin !== undefined || entity === undefined) continue;
      // A query that was asked again of another node, before it had its turn on the first one.
      if (ledger.queriesTravel && message.starts === 0 && !isDurable(message)) continue;
      // What was refused, or lost with its process, before the store had it.
      if (isBeforeLine(ledger, message)) continue;
      const left = unanswered.get(entity) ?? 0;
      if (left > 0) unanswered.set(entity, left - 1);
      else {
        ledger.violation(
          'I2',
          message,
          `${message.id} ran on ${entityName(entity)}, but nobody enqueued it: no call and no replay in the log made it.`,
          [message.accepted, message.firstStart],
        );
      }
    }
    return quietReplays;
  }
}
