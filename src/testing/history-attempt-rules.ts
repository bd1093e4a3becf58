/** I2: every start belongs to a durable dispatch, to an attempt of its own, and to a message that may still start. */
import type { Dispatched, Started } from './history.js';
import type { HistoryLedger } from './history-ledger.js';
import { dispatchTime } from './history-order-rules.js';
import type { Seen } from './history-report.js';
import { type EntityTrack, isDurable, type MessageTrack } from './history-tracks.js';

export function checkStart(
  ledger: HistoryLedger,
  seen: Seen<Started>,
  message: MessageTrack,
  entity: EntityTrack,
): void {
  const { attempt } = seen.event;
  const previous = message.lastStart;
  const last = previous !== undefined && ledger.ordered(previous.event, seen.event) ? previous : undefined;
  if (message.ended !== undefined && ledger.ordered(message.ended.event, seen.event)) {
    ledger.violation(
      'I2',
      message,
      `${message.id} started (attempt ${attempt}) after its verdict '${message.ended.event.state}' was durable.`,
      [last, message.ended, seen],
    );
  } else if (ledger.commonOrder && last !== undefined && !mayStartAgain(ledger, message, entity, seen.event.epoch)) {
    const cut = message.life?.alive === false;
    ledger.violation(
      'I2',
      message,
      cut
        ? `${message.id} started again (attempt ${attempt}) after the process that ran attempt ${last.event.attempt} had gone: it may have run, so it must end as interrupted.`
        : `${message.id} started again (attempt ${attempt}) although no retry of attempt ${last.event.attempt} was durable.`,
      [last, message.handlerEnded, seen],
    );
  } else if (last !== undefined && attempt <= last.event.attempt && !entity.rules.stateOnly) {
    ledger.violation('I2', message, `attempt ${attempt} of ${message.id} started a second time.`, [
      last,
      message.held,
      seen,
    ]);
  } else if (ledger.commonOrder && startsCounted(message, entity, attempt) > startsAllowed(message, entity)) {
    ledger.violation(
      'I2',
      message,
      `${message.id} started ${message.starts + 1} times, but ${startsAllowed(message, entity)} start(s) are allowed (maxAttempts ${entity.rules.maxAttempts}, ${message.interruptions} interruption(s)).`,
      [last, message.held, seen],
    );
  }
  checkDispatch(ledger, seen, message, entity);
  checkDeadline(ledger, seen, message);
}

/** Whether another start is granted, or may have been by a process that died before telling. */
export function mayStartAgain(
  ledger: HistoryLedger,
  message: MessageTrack,
  entity: EntityTrack,
  epoch?: number,
): boolean {
  if (message.granted) return true;
  if (entity.rules.stateOnly && wasLeft(message, epoch)) return true;
  // The news of a retry, of an interruption or of an unblocking can be lost only with a process that died since.
  if (!ledger.newsMayBeLost(message)) return false;
  if (entity.rules.onInterrupt === 'retry' || entity.rules.stateOnly) return true;
  return message.held?.event.type === 'blocked' || (message.run === 'threw' && entity.rules.maxAttempts > 1);
}

/** Nothing of a state-only attempt was durable, and who ran it does so no more: the next owner starts it again (I2). */
function wasLeft({ abandoned, life, lastStart }: MessageTrack, epoch: number | undefined): boolean {
  if (abandoned === true || life?.alive === false) return true;
  const before = lastStart?.event.epoch;
  return epoch !== undefined && before !== undefined && epoch > before;
}

/** A state-only attempt that left nothing durable does not count; nor does one that was marked and never started. */
function startsCounted({ starts }: MessageTrack, { rules }: EntityTrack, attempt: number): number {
  return rules.stateOnly ? Math.min(attempt, starts + 1) : starts + 1;
}

function startsAllowed(message: MessageTrack, entity: EntityTrack): number {
  const { maxAttempts, interruptionsMax, onInterrupt, stateOnly } = entity.rules;
  const interruptions = onInterrupt === 'retry' || stateOnly ? Math.min(message.interruptions, interruptionsMax) : 0;
  return maxAttempts * (1 + message.unblocks) + interruptions;
}

function checkDispatch(ledger: HistoryLedger, seen: Seen<Started>, message: MessageTrack, entity: EntityTrack): void {
  if (!isDurable(message) || entity.rules.stateOnly) return;
  const { dispatched } = message;
  if (dispatched?.event.attempt === seen.event.attempt) return;
  ledger.violation(
    'I2',
    message,
    `attempt ${seen.event.attempt} of ${message.id} started although its dispatch was not durable${dispatched === undefined ? '' : ` (the last durable one is of attempt ${dispatched.event.attempt})`}.`,
    [dispatched, seen],
  );
}

function checkDeadline(ledger: HistoryLedger, seen: Seen<Started>, message: MessageTrack): void {
  const at = dispatchTime(message, seen);
  // A deadline holds for the first attempt; that one may have been marked by a process that died before it started it.
  if (message.expiresAt === 0 || message.starts > 0 || seen.event.attempt > 1) return;
  if (at === undefined || at <= message.expiresAt + ledger.toleranceMs) return;
  ledger.violation(
    'I2',
    message,
    `${message.id} started at ${at}, past its deadline ${message.expiresAt}: an expired message has no attempt.`,
    [message.accepted, message.dispatched, seen],
  );
}

/** At most `dispatchAhead` messages of an entity are marked as started at a time. */
export function checkMark(ledger: HistoryLedger, seen: Seen<Dispatched>, message: MessageTrack): void {
  const { entity } = message;
  if (entity === undefined || entity.rules.stateOnly || !ledger.commonOrder) return;
  if (message.ended !== undefined && ledger.ordered(message.ended.event, seen.event)) {
    ledger.violation(
      'I2',
      message,
      `${message.id} was marked as started after its verdict '${message.ended.event.state}'.`,
      [message.ended, seen],
    );
    return;
  }
  // It may have been put back, unstarted, by a process that died before telling (marked ahead, or while it drained).
  const mayBePutBack = ledger.newsMayBeLost(message) && message.lastStart?.event.attempt !== seen.event.attempt;
  if (message.dispatched?.event.attempt === seen.event.attempt && !mayBePutBack) {
    ledger.violation('I2', message, `attempt ${seen.event.attempt} of ${message.id} was marked as started twice.`, [
      message.dispatched,
      seen,
    ]);
  }
  entity.marked.set(message, ledger.crashes);
  if (entity.marked.size <= entity.rules.dispatchAhead) return;
  const others: MessageTrack[] = [];
  for (const [other, crashes] of entity.marked) {
    ledger.steps += 1;
    // The outcome of a mark from before a crash may be durable without being in the log.
    if (crashes < ledger.crashes) entity.marked.delete(other);
    else if (other !== message) others.push(other);
  }
  if (others.length < entity.rules.dispatchAhead) return;
  // Counted once: the oldest mark is let go, or every later one would be reported as well.
  const [oldest] = others;
  if (oldest !== undefined) entity.marked.delete(oldest);
  ledger.violation(
    'I2',
    message,
    `${message.id} was marked as started while ${others.length} other message(s) of its entity were, and ${entity.rules.dispatchAhead} in all may be.`,
    [oldest?.dispatched, seen],
  );
}

/** A second message under an idempotency key that has one. */
export function checkMessageId(ledger: HistoryLedger, seen: Seen, message: MessageTrack, messageId: string): void {
  const { entity } = message;
  if (entity === undefined || message.messageId !== undefined) return;
  // A replay hands the key on to its new message; without a common order a duplicate may be read before that.
  // And where the store tells, an offer may be answered long before it is found to be a duplicate.
  if ((!ledger.commonOrder || ledger.storeTold) && seen.event.type !== 'accepted') return;
  message.messageId = messageId;
  const first = entity.messageIds.get(messageId);
  if (first === undefined) entity.messageIds.set(messageId, message);
  else if (first !== message) {
    ledger.violation(
      'I2',
      message,
      `messageId '${messageId}' made a second message: ${first.id} had it, and ${message.id} was accepted too.`,
      [first.accepted ?? first.resolved, seen],
    );
  }
}
