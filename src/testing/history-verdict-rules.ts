/**
 * I5 and I8: one verdict, durable before anyone hears it, the same for everyone; a door that says no by name and never
 * takes back a yes.
 */
import { errorCodes } from '../message/errors.js';
import type { Answered, Ended, EnqueueRejected } from './history.js';
import type { HistoryLedger } from './history-ledger.js';
import type { Seen } from './history-report.js';
import { type CallTrack, isBeforeLine, isDurable, type MessageTrack } from './history-tracks.js';

/** The codes of the contract. */
const NAMED_CODES: ReadonlySet<string> = new Set(errorCodes);

/** Codes of the door: with one of them nothing was kept. A waiter may get the last three also for accepted work. */
const DOOR_CODES: ReadonlySet<string> = new Set([
  'QUEUE_DEPTH_EXCEEDED',
  'WORKER_LIMIT_EXCEEDED',
  'PAYLOAD_TOO_LARGE',
  'INVALID_PAYLOAD',
  'ENTITY_ID_MISSING',
  'UNKNOWN_ENTITY_TYPE',
  'UNKNOWN_MESSAGE',
  'NO_HANDLER',
  'DEADLOCK',
  'BACKPRESSURE',
  'STORE_DEGRADED',
  'NOT_OWNER',
  'SHUTTING_DOWN',
  'ENTITY_PAUSED',
]);
const ALSO_AFTER_ACCEPTANCE: ReadonlySet<string> = new Set(['STORE_DEGRADED', 'NOT_OWNER', 'SHUTTING_DOWN']);
const OVERLOAD_CODES: ReadonlySet<string> = new Set(['QUEUE_DEPTH_EXCEEDED', 'WORKER_LIMIT_EXCEEDED', 'BACKPRESSURE']);

export function checkEnded(ledger: HistoryLedger, seen: Seen<Ended>, message: MessageTrack): void {
  const { state } = seen.event;
  if (message.ended !== undefined) {
    ledger.violation(
      'I5',
      message,
      `${message.id} got a second verdict '${state}' after '${message.ended.event.state}'.`,
      [message.ended, seen],
    );
    return;
  }
  const [early] = message.earlyAnswers;
  if (early !== undefined && isDurable(message) && ledger.ordered(early.event, seen.event)) {
    ledger.violation(
      'I5',
      message,
      `a waiter of ${message.id} got '${early.event.state}' before the verdict was durable.`,
      [early, seen],
    );
  }
  for (const answer of message.earlyAnswers) compare(ledger, message, seen, answer);
  if (ledger.commonOrder) checkEarned(ledger, seen, message);
}

/** Whether the message had what its verdict presupposes. */
function checkEarned(ledger: HistoryLedger, seen: Seen<Ended>, message: MessageTrack): void {
  const { state, code } = seen.event;
  const accepted = message.accepted ?? message.resolved;
  if (state === 'completed' && message.run !== 'returned' && !ledger.newsMayBeLost(message)) {
    ledger.violation('I5', message, `${message.id} was called completed although no handler of it had returned.`, [
      message.lastStart,
      message.handlerEnded,
      seen,
    ]);
  } else if (code !== undefined && OVERLOAD_CODES.has(code) && message.starts === 0) {
    ledger.violation(
      'I8',
      message,
      `${message.id} was accepted and then dropped with ${code}: overload refuses new work only.`,
      [accepted, seen],
    );
  } else if (state === 'failed' && message.starts === 0 && message.dispatched === undefined) {
    ledger.violation('I8', message, `${message.id} was accepted and then ended as failed without an attempt.`, [
      accepted,
      seen,
    ]);
  } else if (state === 'cancelled' && !withdrawn(ledger, message)) {
    ledger.violation(
      'I8',
      message,
      `${message.id} was accepted and then dropped as cancelled, but nobody withdrew it.`,
      [accepted, seen],
    );
  } else if (
    state === 'expired' &&
    (message.expiresAt === 0 ? message.accepted !== undefined : expiredEarly(ledger, seen, message))
  ) {
    ledger.violation(
      'I8',
      message,
      message.expiresAt === 0
        ? `${message.id} was dropped as expired, but it has no deadline.`
        : `${message.id} was dropped as expired at ${seen.event.at}, before its deadline ${message.expiresAt}.`,
      [accepted, seen],
    );
  }
}

function expiredEarly(ledger: HistoryLedger, seen: Seen<Ended>, message: MessageTrack): boolean {
  return seen.event.at !== undefined && seen.event.at + ledger.toleranceMs < message.expiresAt;
}

function withdrawn(ledger: HistoryLedger, message: MessageTrack): boolean {
  const { entity } = message;
  // The news of its acceptance went with a process: it may be of any line, also of one that someone emptied.
  if (entity === undefined && ledger.crashes > 0) return true;
  // Nobody promised to keep a volatile query: it goes with its waiter, and with its node.
  if (!isDurable(message)) return true;
  return (
    message.cancelCalled !== undefined ||
    entity?.cancelCalled !== undefined ||
    (entity !== undefined && ledger.cancelledTypes.has(entity.entityType)) ||
    message.withdrawable === true
  );
}

/** A waiter's verdict, once its message is known. */
export function checkAnswer(ledger: HistoryLedger, answer: Seen<Answered>, message: MessageTrack): void {
  if (!isDurable(message) && ledger.calls.get(answer.event.call)?.askedAgain === true) return;
  if (message.ended === undefined) {
    if (isDurable(message)) message.earlyAnswers.push(answer);
    return;
  }
  if (
    isDurable(message) &&
    ledger.ordered(answer.event, message.ended.event) &&
    answer.position < message.ended.position
  ) {
    ledger.violation(
      'I5',
      message,
      `a waiter of ${message.id} got '${answer.event.state}' before the verdict was durable.`,
      [answer, message.ended],
    );
  }
  compare(ledger, message, message.ended, answer);
}

function compare(ledger: HistoryLedger, message: MessageTrack, ended: Seen<Ended>, answer: Seen<Answered>): void {
  const { state, reply } = answer.event;
  // A query of another node may have been answered by a second run, or refused at a later owner's door.
  if (ledger.queriesTravel && !isDurable(message) && answer.event.node !== ended.event.node) return;
  if (state !== ended.event.state) {
    ledger.violation(
      'I5',
      message,
      `a waiter of ${message.id} got '${state}', but the durable verdict is '${ended.event.state}'.`,
      [ended, answer],
    );
  } else if (reply !== undefined && ended.event.reply !== undefined && reply !== ended.event.reply) {
    ledger.violation('I5', message, `a waiter of ${message.id} got another reply than the durable verdict holds.`, [
      ended,
      answer,
    ]);
  }
}

export function checkRejected(ledger: HistoryLedger, seen: Seen<EnqueueRejected>, call: CallTrack): void {
  const { code } = seen.event;
  if (code === undefined || !NAMED_CODES.has(code)) {
    ledger.violation(
      'I8',
      call.message,
      `an enqueue was refused ${code === undefined ? 'without an error code' : `with '${code}', which is no code of the contract`}.`,
      [call.called, seen],
    );
  }
  checkRefusedStaysOut(ledger, call);
}

/** Whether the caller was told that nothing was kept. */
export function wasRefused(call: CallTrack): boolean {
  const code = call.rejected?.event.code;
  return code !== undefined && DOOR_CODES.has(code) && !(call.called.event.wait && ALSO_AFTER_ACCEPTANCE.has(code));
}

/** Work that the door refused must not have been kept. */
export function checkRefusedStaysOut(ledger: HistoryLedger, call: CallTrack): void {
  const { message, rejected } = call;
  // A duplicate may be refused while the first message of its messageId stands.
  if (message === undefined || message.call !== call || !wasRefused(call)) return;
  if (isBeforeLine(ledger, message)) return;
  // A query that is asked of another node goes again to its next owner, and a former one may run it late: nothing is kept.
  if (call.called.event.kind === 'query') return;
  ledger.violation('I8', message, `the door refused ${message.id} with ${rejected?.event.code}, and yet it was kept.`, [
    call.called,
    rejected,
    message.accepted ?? message.firstStart,
  ]);
}

/** A caller that still waits at the end of the run. */
export function checkNeverAnswered(ledger: HistoryLedger, call: CallTrack, stillPending: boolean): void {
  const { called, message } = call;
  if (!called.event.wait) {
    ledger.violation('I8', message, 'an enqueue was neither accepted nor refused, although its process lived on.', [
      called,
    ]);
  } else if (!stillPending) {
    ledger.violation(
      'I5',
      message,
      message?.ended === undefined
        ? 'a waiter never got an answer, although its process lived on.'
        : `a waiter of ${message.id} never got its verdict '${message.ended.event.state}', although its process lived on.`,
      [called, message?.ended],
    );
  }
}
