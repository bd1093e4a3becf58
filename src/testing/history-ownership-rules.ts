/** I6, and the half of I3 that concerns owners: epochs only grow, and what carries an old one changes nothing. */
import type { Commit, ShardOpened, Started } from './history.js';
import type { HistoryLedger } from './history-ledger.js';
import type { Seen } from './history-report.js';
import { type EntityTrack, isDurable, type MessageTrack } from './history-tracks.js';

export function checkOpened(ledger: HistoryLedger, seen: Seen<ShardOpened>): void {
  const { shard, epoch } = seen.event;
  const track = ledger.shard(shard);
  const before = track.opened;
  if (before !== undefined && epoch <= before.event.epoch) {
    if (epoch < before.event.epoch && !ledger.ordered(before.event, seen.event)) return;
    ledger.violation(
      'I6',
      undefined,
      `shard ${shard} was opened under epoch ${epoch}, although it had reached epoch ${before.event.epoch}.`,
      [before, seen],
    );
    return;
  }
  track.opened = seen;
  checkTaking(ledger, seen);
  for (const message of track.running) {
    ledger.steps += 1;
    // A handler that its owner gave up, or whose owner is frozen, may outlive the lease (M7). What was given up in order has
    // an outcome; a query that is in no store has none, and neither has a state-only run, of which nothing is left.
    const leavesNoTrace = !isDurable(message) || message.entity?.rules.stateOnly === true;
    const isGivenUp = message.ended !== undefined || message.held !== undefined || leavesNoTrace;
    if (seen.event.taken !== true && !isGivenUp) continue;
    message.entity?.running.delete(message);
    track.running.delete(message);
  }
}

/** A shard that was not released is taken only from an owner whose lease is over (M6). */
function checkTaking(ledger: HistoryLedger, seen: Seen<ShardOpened>): void {
  const { shard, epoch, leaseLeftMs } = seen.event;
  if (leaseLeftMs === undefined || leaseLeftMs <= ledger.leaseToleranceMs) return;
  ledger.violation(
    'I3',
    undefined,
    `shard ${shard} was opened under epoch ${epoch} although its owner had not released it and had ${Math.round(leaseLeftMs)} ms left of its lease.`,
    [seen],
  );
}

/** An owner starts nothing once its lease is over by its own clock (M7). */
export function checkLease(ledger: HistoryLedger, seen: Seen<Started>, message: MessageTrack): void {
  const { leaseLeftMs, node, shard } = seen.event;
  if (leaseLeftMs === undefined || leaseLeftMs > 0) return;
  ledger.violation(
    'I3',
    message,
    `${node} started ${message.id} ${Math.round(-leaseLeftMs)} ms after its lease of shard ${shard} had run out.`,
    [seen],
  );
}

export function checkCommit(ledger: HistoryLedger, seen: Seen<Commit>): void {
  const { shard, epoch, number, type } = seen.event;
  const track = ledger.shard(shard);
  if (type === 'commitCalled') {
    track.sent.set(epoch, seen);
    return;
  }
  const sent = track.sent.get(epoch);
  track.sent.delete(epoch);
  const newer = track.opened;
  if (newer === undefined || epoch >= newer.event.epoch) return;
  // A commit that was sent before the newer opening may have been applied before it, and only its news came later.
  const since = (sent?.event as Commit | undefined)?.number === number ? sent : seen;
  if (since === undefined || since.position < newer.position || !ledger.ordered(since.event, newer.event)) return;
  ledger.violation(
    'I3',
    undefined,
    `the store accepted commit ${number} of epoch ${epoch} on shard ${shard} from ${seen.event.node}, after ${newer.event.node} had opened it under epoch ${newer.event.epoch}.`,
    [newer, sent, seen],
  );
}

export function checkFencing(
  ledger: HistoryLedger,
  seen: Seen<Started>,
  message: MessageTrack,
  entity: EntityTrack,
): void {
  const { epoch, shard, fencingToken } = seen.event;
  const opened = shard === undefined ? undefined : ledger.shard(shard).opened;
  const last = entity.lastStart;
  if (
    epoch !== undefined &&
    opened !== undefined &&
    epoch < opened.event.epoch &&
    ledger.ordered(opened.event, seen.event)
  ) {
    ledger.violation(
      'I3',
      message,
      `${seen.event.node} started ${message.id} under epoch ${epoch}, after ${opened.event.node} had opened shard ${shard} under epoch ${opened.event.epoch}.`,
      [opened, seen],
    );
    return;
  }
  const before = last?.event.fencingToken;
  if (
    last === undefined ||
    before === undefined ||
    fencingToken === undefined ||
    !ledger.ordered(last.event, seen.event)
  )
    return;
  // Tokens are written so that a later one is larger as text; a system outside compares them in the same way.
  if (fencingToken <= before) {
    ledger.violation(
      'I3',
      message,
      `the start of ${message.id} carries the fencing token ${fencingToken}, which is not larger than the one of the start before it on this entity, ${before}.`,
      [last, seen],
    );
  }
}
