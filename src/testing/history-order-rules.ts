/**
 * I4, and the half of I3 that concerns handlers: who runs in which order, and never two at once.
 *
 * Order costs one comparison per start. Of the messages of an entity that have started, only the one whose `enqueue` was
 * called last matters: if X starts after it although X was accepted before that call, it has overtaken X. As the other
 * half, nothing may start while a message before it in line is backing off or blocked.
 */
import type { Ended, Quiescent, Started } from './history.js';
import type { HistoryLedger } from './history-ledger.js';
import type { Seen } from './history-report.js';
import { type EntityTrack, entityName, isDurable, type MessageTrack } from './history-tracks.js';

/** From which event on the message had its place in line, as far as the log can compare it with calls. */
export function placeTaken(ledger: HistoryLedger, message: MessageTrack): Seen | undefined {
  if (message.delayed) return ledger.commonOrder ? message.promoted : undefined;
  const { accepted, resolved } = message;
  if (!ledger.commonOrder) return resolved;
  if (accepted === undefined || resolved === undefined) return accepted ?? resolved;
  return accepted.position < resolved.position ? accepted : resolved;
}

/** Whether X had its place before anyone called `enqueue` for Y. */
function isBefore(ledger: HistoryLedger, x: MessageTrack, y: MessageTrack): boolean {
  const taken = placeTaken(ledger, x);
  const called = y.call?.called;
  return (
    taken !== undefined &&
    called !== undefined &&
    ledger.ordered(taken.event, called.event) &&
    taken.position < called.position
  );
}

function latestKey(ledger: HistoryLedger, startNode: string, callNode: string): string {
  return ledger.commonOrder ? '' : `${startNode}\n${callNode}`;
}

/** Remembers Y as started. Called again when its call becomes known only after its start. */
export function noteStartedCall(ledger: HistoryLedger, y: MessageTrack): void {
  const called = y.call?.called;
  const start = y.firstStart;
  if (called === undefined || start === undefined || y.entity === undefined || y.isEarly === true) return;
  const key = latestKey(ledger, start.event.node, called.event.node);
  const latest = y.entity.latestCallStarted.get(key)?.call?.called;
  if (latest === undefined || latest.position < called.position) y.entity.latestCallStarted.set(key, y);
}

/** A run of an owner that was lost since, without a durable start or end: it has not happened (I2). */
function leftNothing({ entity, ended, held, lastStart }: MessageTrack, seen: Seen<Started>): boolean {
  if (entity?.rules.stateOnly !== true || held !== undefined) return false;
  // Withdrawn, or past its deadline: its next owner knew of no start.
  if (ended !== undefined && ended.event.state !== 'cancelled' && ended.event.state !== 'expired') return false;
  const { epoch } = seen.event;
  const before = lastStart?.event.epoch;
  return epoch !== undefined && before !== undefined && before < epoch;
}

function overtook(
  ledger: HistoryLedger,
  y: MessageTrack,
  x: MessageTrack,
  why: string,
  proof: (Seen | undefined)[],
): void {
  if (x.overtaken) return;
  x.overtaken = true;
  ledger.violation(
    'I4',
    x,
    `${y.kind} ${y.id} started before ${x.kind} ${x.id}, which was in line before ${y.id} was enqueued; ${why}.`,
    [placeTaken(ledger, x), y.call?.called, ...proof],
  );
}

export function checkOrderOfStart(
  ledger: HistoryLedger,
  seen: Seen<Started>,
  x: MessageTrack,
  entity: EntityTrack,
): void {
  const taken = placeTaken(ledger, x);
  if (taken !== undefined) {
    const y = entity.latestCallStarted.get(latestKey(ledger, seen.event.node, taken.event.node));
    // A run from before its message was in line is looked at late: what started after it did not overtake it.
    const wasFirst = y?.firstStart !== undefined && y.firstStart.position < seen.position;
    if (y !== undefined && y !== x && wasFirst && !leftNothing(y, seen) && isBefore(ledger, x, y)) {
      const retried = x.starts > 0;
      overtook(ledger, y, x, retried ? `${x.id} lost its place with its retry` : 'the line was not kept', [
        y.firstStart,
        retried ? (x.held ?? x.handlerEnded) : undefined,
        seen,
      ]);
    }
  }
  // The first held one is enough: what is held stops the line, so there is more than one only after a violation.
  for (const x2 of entity.held) {
    ledger.steps += 1;
    const known = ledger.commonOrder && !ledger.newsMayBeLost(x2);
    if (x2 !== x && known && isBefore(ledger, x2, x)) {
      const blocked = x2.held?.event.type === 'blocked';
      overtook(ledger, x, x2, blocked ? `${x2.id} is blocked` : `${x2.id} is backing off and keeps its place`, [
        x2.held,
        seen,
      ]);
    }
    break;
  }
}

/** A start before the due time of a delay or a back-off. */
export function checkNotEarly(ledger: HistoryLedger, seen: Seen<Started>, message: MessageTrack): void {
  const at = dispatchTime(message, seen);
  const told = message.held ?? (message.starts === 0 ? message.accepted : undefined);
  if (at === undefined || told === undefined || !ledger.ordered(told.event, seen.event)) return;
  const notBefore = 'notBefore' in told.event ? (told.event.notBefore ?? 0) : 0;
  if (at + ledger.toleranceMs >= notBefore) return;
  const backOff = message.held !== undefined;
  ledger.violation(
    'I4',
    message,
    `${message.id} ran at ${at}, but ${backOff ? 'its back-off lasts' : 'it is delayed'} until ${notBefore}.`,
    [told, message.dispatched, seen],
  );
}

/**
 * When the store marked this attempt, or, without such a mark, when the handler started. Unknown for a state-only one: the
 * store hears of it later, and the clock of its node may be hours off.
 */
export function dispatchTime(message: MessageTrack, seen: Seen<Started>): number | undefined {
  if (message.entity?.rules.stateOnly === true) return undefined;
  const dispatch = message.dispatched?.event;
  return dispatch?.attempt === seen.event.attempt && dispatch.at !== undefined ? dispatch.at : seen.event.at;
}

export function checkAlone(
  ledger: HistoryLedger,
  seen: Seen<Started>,
  message: MessageTrack,
  entity: EntityTrack,
): void {
  for (const [other, start] of entity.running) {
    ledger.steps += 1;
    if (!ledger.ordered(start.event, seen.event)) continue;
    ledger.violation(
      'I3',
      message,
      `the handler of ${message.id} started while the one of ${other.id} was still at work on the same entity.`,
      [start, seen],
    );
    break;
  }
}

/** Nothing that could run may be left when everything has come to rest. */
export function checkQuiescent(ledger: HistoryLedger, seen: Seen<Quiescent>): void {
  if (!ledger.commonOrder) return;
  for (const entity of ledger.ready) {
    ledger.steps += 1;
    if (ledger.pausedTypes.has(entity.entityType)) continue;
    ledger.ready.delete(entity);
    const [delayed] = entity.delayed;
    let message: MessageTrack | undefined;
    for (const waiting of entity.waiting) {
      ledger.steps += 1;
      // A query that is in no store goes with its owner, and its asker asks the next one.
      if (ledger.queriesTravel && !isDurable(waiting)) continue;
      if (ledger.newsMayBeLost(waiting)) waiting.atRest = { seen, delayed };
      else message ??= waiting;
    }
    if (message !== undefined && message.run !== 'running') leftAtRest(ledger, message, { seen, delayed });
  }
}

/** Called when a message shows that it had not ended when everything had come to rest, as was possible until now. */
export function checkAtRest(ledger: HistoryLedger, message: MessageTrack): void {
  if (message.atRest !== undefined) leftAtRest(ledger, message, message.atRest);
  message.atRest = undefined;
}

function leftAtRest(
  ledger: HistoryLedger,
  message: MessageTrack,
  { seen, delayed }: NonNullable<MessageTrack['atRest']>,
): void {
  const proof = [message.accepted ?? message.resolved, delayed?.accepted ?? delayed?.call?.called, seen];
  if (delayed !== undefined) {
    ledger.violation(
      'I4',
      message,
      `everything has come to rest, but ${message.id} is due and did not run: it waits behind ${delayed.id}, which is delayed and must block nobody before it is due.`,
      proof,
    );
  } else {
    ledger.violation(
      'I7',
      message,
      `everything has come to rest, but ${message.id} of ${entityName(message.entity)} was accepted, is due and did not end.`,
      proof,
    );
  }
}

/** A message that ended without having run again, after a later one had started on the same node. */
export function checkOvertakenUnrun(ledger: HistoryLedger, seen: Seen<Ended>, x: MessageTrack): void {
  const { state, node } = seen.event;
  if (!ledger.commonOrder) return;
  // Its asker has asked the next owner meanwhile, and this one drops it when it hears of that.
  if (ledger.queriesTravel && !isDurable(x)) return;
  const unrun = x.starts === 0 && (state === 'cancelled' || state === 'expired');
  const y = x.entity?.latestCallStarted.get('');
  if (!unrun && (x.held === undefined || (y?.firstStart?.position ?? 0) < x.held.position)) return;
  // The owner tells what ended before it starts the next one; what another node tells may come late.
  if ((ledger.storeTold || y?.firstStart?.event.node === node) && y !== undefined && isBefore(ledger, x, y)) {
    overtook(ledger, y, x, `${x.id} was still in line then, and ${state} only later`, [x.held, y.firstStart, seen]);
  }
}

/** A message that is still in line at the end although a later one has run. */
export function checkLeftBehind(ledger: HistoryLedger, x: MessageTrack): void {
  if (!ledger.commonOrder) return;
  const y = x.entity?.latestCallStarted.get('');
  if (y !== undefined && y !== x && y.firstStart !== undefined && isBefore(ledger, x, y)) {
    // X may have run before Y and wait for its next attempt: then Y overtook its retry just the same.
    overtook(ledger, y, x, `${x.id} is still pending at the end`, [y.firstStart]);
  }
}
