/**
 * Follows the calls of a history: who called, what it was told, and which message its call made. Each function takes one kind
 * of event, asks the rules about it, then moves the records on; it holds no rule.
 */
import type { Answered, EnqueueCalled, EnqueueRejected, EnqueueResolved } from './history.js';
import { checkMessageId } from './history-attempt-rules.js';
import type { HistoryLedger } from './history-ledger.js';
import { noteStartedCall } from './history-order-rules.js';
import type { Seen } from './history-report.js';
import { type CallTrack, isDurable, type MessageTrack } from './history-tracks.js';
import { checkAnswer, checkRefusedStaysOut, checkRejected } from './history-verdict-rules.js';

export function callMade(ledger: HistoryLedger, seen: Seen<EnqueueCalled>): void {
  const { call: name, node, entityType, entityId, messageId } = seen.event;
  const life = ledger.life(node);
  const call: CallTrack = { called: seen, life };
  if (ledger.calls.has(name)) ledger.note(`The call ${name} is in the log twice.`);
  ledger.calls.set(name, call);
  life.calls.add(call);
  if (messageId === undefined) return;
  const { firstCalls } = ledger.entity(entityType, entityId);
  if (!firstCalls.has(messageId)) firstCalls.set(messageId, call);
}

export function callResolved(ledger: HistoryLedger, seen: Seen<EnqueueResolved>): void {
  const { call: name, id } = seen.event;
  const message = ledger.message(id).sameAs ?? ledger.message(id);
  const call = ledger.calls.get(name);
  call?.life.calls.delete(call);
  const isNew = message.accepted === undefined && message.resolved === undefined && message.origin === undefined;
  message.resolved ??= seen;
  linkCall(ledger, name, message, seen);
  if (isNew && message.ended === undefined) ledger.enterLine(message);
}

export function callRejected(ledger: HistoryLedger, seen: Seen<EnqueueRejected>): void {
  ledger.rejected += 1;
  const call = ledger.calls.get(seen.event.call);
  if (call === undefined) return;
  call.life.calls.delete(call);
  call.rejected = seen;
  const { entityType, entityId, messageId } = call.called.event;
  if (messageId !== undefined && call.message === undefined) {
    const { firstCalls } = ledger.entity(entityType, entityId);
    if (firstCalls.get(messageId) === call) firstCalls.delete(messageId);
  }
  checkRejected(ledger, seen, call);
  if (seen.event.id !== undefined) {
    const known = ledger.messages.get(seen.event.id);
    if (known !== undefined) linkCall(ledger, seen.event.call, known, seen);
  }
}

export function callAnswered(ledger: HistoryLedger, seen: Seen<Answered>): void {
  const call = ledger.calls.get(seen.event.call);
  if (call === undefined) return;
  call.life.calls.delete(call);
  const { kind } = call.called.event;
  // The id that a waiter hears of a volatile query may be that of its question, and not of what ran.
  const isQuestion = ledger.queriesTravel && kind === 'query' && call.message !== undefined;
  if (seen.event.id !== undefined && !isQuestion)
    linkCall(ledger, seen.event.call, ledger.message(seen.event.id), seen);
  call.answered = seen;
  if (call.message !== undefined) checkAnswer(ledger, seen, call.message);
}

/** The call made this message, or was a duplicate of the one that did. */
export function linkCall(ledger: HistoryLedger, name: string | undefined, message: MessageTrack, seen: Seen): void {
  const call = name === undefined ? undefined : ledger.calls.get(name);
  if (call === undefined) return;
  if (call.message !== undefined) {
    if (call.message !== message && !isDurable(call.message) && !isDurable(message)) call.askedAgain = true;
    if (call.askedAgain !== true) return;
    message.claimed = true;
    // Asked again, it must still see what was in line when its caller asked for the first time (I4).
    if (message.call !== undefined || isDurable(message)) return;
    message.call = call;
    noteStartedCall(ledger, message);
    return;
  }
  const { entityType, entityId, kind, messageId, delayed } = call.called.event;
  call.message = message;
  message.claimed = true;
  if (call.called.event.cancelOnTimeout === true) message.withdrawable = true;
  const entity = ledger.entity(entityType, entityId);
  message.entity ??= entity;
  message.kind = kind;
  if (message.call === undefined && mayHaveMade(ledger, call, message, seen)) {
    const first = messageId === undefined ? undefined : entity.firstCalls.get(messageId);
    const isEarlier =
      first !== undefined &&
      first.called.position < call.called.position &&
      ledger.ordered(first.called.event, call.called.event);
    message.call = isEarlier ? first : call;
    if (delayed === true && !message.delayed) {
      message.delayed = true;
      if (entity.waiting.has(message)) ledger.enterLine(message);
    }
    noteStartedCall(ledger, message);
  }
  if (messageId !== undefined) checkMessageId(ledger, seen, message, messageId);
  if (call.rejected !== undefined) checkRefusedStaysOut(ledger, call);
  if (call.answered !== undefined) checkAnswer(ledger, call.answered, message);
}

/** A message that was there before the call, or that a replay made, has the call as a duplicate only. */
function mayHaveMade(ledger: HistoryLedger, { called }: CallTrack, message: MessageTrack, seen: Seen): boolean {
  if (message.origin !== undefined) return false;
  if (seen.event.type === 'accepted') return true;
  // Which of several calls with one key came first, only a common order can tell.
  if (!ledger.commonOrder && called.event.messageId !== undefined) return false;
  const sign = message.accepted ?? message.firstStart;
  return sign === undefined || !ledger.ordered(sign.event, called.event) || called.position < sign.position;
}
