/**
 * What operators were told must be so: a line whose pause was acknowledged starts nothing, a message that was withdrawn or
 * skipped does not run, a dead letter that was purged is gone, a replayed one is a message. A call without an answer may have
 * been done or not, so nothing is claimed of it; and a resumption that nobody was told of may come at any time.
 */
import type { DeadLetterReason, FinalState } from '../wal/transition.js';
import type { OperatorAnswered, OperatorCalled, Started } from './history.js';
import type { HistoryLedger } from './history-ledger.js';
import type { Seen } from './history-report.js';
import { type EntityTrack, entityName, isDurable, type MessageTrack, type PauseTrack } from './history-tracks.js';

/** How a message may have ended of which an operator was told that it will not run. */
const OVER_STATES: Readonly<Record<string, readonly FinalState[]>> = {
  cancel: ['cancelled'],
  skip: ['failed', 'interrupted'],
};

function pauseOf(ledger: HistoryLedger, entityType: string, entityId: string | undefined): PauseTrack {
  const name = entityId === undefined ? entityType : `${entityType}\n${entityId}`;
  let track = ledger.pauses.get(name);
  if (track === undefined) {
    track = { openResumes: 0, lastResumed: -1 };
    ledger.pauses.set(name, track);
  }
  return track;
}

export function operatorCalled(ledger: HistoryLedger, seen: Seen<OperatorCalled>): void {
  const { call, action, entityType, entityId } = seen.event;
  ledger.operatorCalls.set(call, seen);
  if (action !== 'resume' || entityType === undefined) return;
  const track = pauseOf(ledger, entityType, entityId);
  track.openResumes += 1;
  track.inForce = undefined;
}

export function operatorAnswered(ledger: HistoryLedger, seen: Seen<OperatorAnswered>): void {
  const called = ledger.operatorCalls.get(seen.event.call);
  if (called === undefined) return;
  ledger.operatorCalls.delete(seen.event.call);
  const { action, id, entityType, entityId } = called.event;
  const told = { called, answered: seen };
  if (entityType !== undefined) {
    const track = pauseOf(ledger, entityType, entityId);
    if (action === 'resume') {
      track.openResumes -= 1;
      track.lastResumed = seen.position;
    } else if (action === 'pause' && track.openResumes === 0 && track.lastResumed < called.position) {
      // What was resumed at the same time may have been resumed after it.
      track.inForce = told;
    }
    return;
  }
  if (id === undefined || !seen.event.done) return;
  const message = ledger.message(id);
  if (OVER_STATES[action] !== undefined) message.toldOver = told;
  else if (action === 'purge') message.toldPurged = told;
  else if (action === 'replay') message.toldReplayed = told;
}

/** Called with every start that is one. */
export function checkOperated(
  ledger: HistoryLedger,
  seen: Seen<Started>,
  message: MessageTrack,
  entity: EntityTrack,
): void {
  if (!ledger.commonOrder) return;
  const { toldOver } = message;
  if (toldOver !== undefined) {
    ledger.violation(
      'I2',
      message,
      `${message.id} started although an operator had been told that it will not: '${toldOver.called.event.action}' was done.`,
      [toldOver.called, toldOver.answered, seen],
    );
  }
  if (ledger.pauses.size === 0 || entity.rules.stateOnly) return;
  // What the store had marked as started before the pause goes on.
  const isMarked = message.dispatched?.event.attempt === seen.event.attempt;
  const from = isDurable(message) ? (isMarked ? message.dispatched : undefined) : seen;
  if (from === undefined) return;
  for (const name of [entity.entityType, `${entity.entityType}\n${entity.entityId}`]) {
    const track = ledger.pauses.get(name);
    const paused = track?.inForce;
    if (track === undefined || paused === undefined || from.position < paused.answered.position) continue;
    // Told once: what is not kept lets everything start.
    track.inForce = undefined;
    ledger.violation(
      'I4',
      message,
      `${message.kind} ${message.id} started on ${entityName(entity)} although an operator had been told that ${name.replace('\n', '/')} is paused, and nobody had resumed it.`,
      [paused.called, paused.answered, message.dispatched, seen],
    );
  }
}

/** At the end, with what the store holds. */
export function checkTold(
  ledger: HistoryLedger,
  message: MessageTrack,
  pending: ReadonlySet<string>,
  letters: ReadonlyMap<string, DeadLetterReason>,
): void {
  const { toldOver, toldPurged, toldReplayed } = message;
  if (toldOver !== undefined) {
    const { action } = toldOver.called.event;
    const state = message.ended?.event.state ?? letters.get(message.id);
    const isOver = state === undefined || OVER_STATES[action]?.includes(state) === true;
    if (!isOver || pending.has(message.id)) {
      ledger.violation(
        'I5',
        message,
        `an operator was told that '${action}' of ${message.id} was done, but ${pending.has(message.id) ? 'it is still in line' : `it ended as '${state}'`}.`,
        [toldOver.called, toldOver.answered, message.ended],
      );
    }
  }
  if (toldPurged !== undefined && letters.has(message.id)) {
    ledger.violation(
      'I7',
      message,
      `an operator was told that the dead letter ${message.id} is gone for good, but the store still has it.`,
      [toldPurged.called, toldPurged.answered, message.letterGone],
    );
  }
  const newId = toldReplayed?.answered.event.newId;
  if (toldReplayed === undefined || newId === undefined) return;
  if (ledger.messages.has(newId) || pending.has(newId) || letters.has(newId)) return;
  ledger.violation(
    'I1',
    message,
    `an operator was told that ${message.id} was replayed as ${newId}, but there is no such message.`,
    [toldReplayed.called, toldReplayed.answered],
  );
}
