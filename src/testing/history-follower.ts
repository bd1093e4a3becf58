/**
 * Follows the messages of a history: each method takes one kind of event, asks the rules about it, then moves the records
 * on. It owns what the records mean from one event to the next, and no rule. Calls are followed in `history-calls.ts`.
 */
import type {
  Abandoned,
  Accepted,
  BlockedOrNot,
  CancelCalled,
  Dispatched,
  Duplicate,
  Ended,
  HandlerEnded,
  HistoryEvent,
  PausedOrResumed,
  Promoted,
  Purged,
  Replayed,
  Retried,
  Started,
} from './history.js';
import { checkMessageId, checkStart, mayStartAgain } from './history-attempt-rules.js';
import { linkCall } from './history-calls.js';
import type { HistoryLedger } from './history-ledger.js';
import { countInterruption, endLife } from './history-life.js';
import { checkOperated } from './history-operator-rules.js';
import {
  checkAlone,
  checkAtRest,
  checkNotEarly,
  checkOrderOfStart,
  checkOvertakenUnrun,
  noteStartedCall,
} from './history-order-rules.js';
import { checkFencing, checkLease } from './history-ownership-rules.js';
import type { Seen } from './history-report.js';
import { isBeforeLine, isDurable, type MessageTrack } from './history-tracks.js';
import { checkEnded } from './history-verdict-rules.js';

export class HistoryFollower {
  constructor(private readonly ledger: HistoryLedger) {}

  /** Keeps the lives of the nodes and looks for events that are missing. */
  count(event: HistoryEvent): void {
    const { ledger } = this;
    if (event.type === 'crashed') return;
    if (event.type === 'final') {
      // Whoever writes it may be someone else; a node that does so goes on counting behind it.
      const writer = ledger.lives.get(event.node);
      if (writer !== undefined && event.seq === writer.seq + 1) writer.seq = event.seq;
      return;
    }
    if (event.type === 'nodeStarted') {
      const before = ledger.lives.get(event.node);
      if (before?.alive === true && before.seq > 0) endLife(ledger, event.node, true);
      ledger.newLife(event.node).seq = event.seq;
      return;
    }
    const life = ledger.life(event.node);
    if (event.seq !== life.seq + 1) ledger.note(`${event.node}: event ${event.seq} follows event ${life.seq}.`);
    if (!life.alive)
      ledger.note(`${event.node}: event ${event.seq} (${event.type}) comes after the end of the process.`);
    life.seq = event.seq;
  }

  accepted(seen: Seen<Accepted>): void {
    const { ledger } = this;
    const { event } = seen;
    if (event.replaces === true) ledger.replace(seen);
    const message = ledger.addressed(event);
    message.accepted ??= seen;
    if (event.from !== undefined) message.claimed = true;
    message.crashesAtAccept = ledger.crashes;
    linkCall(ledger, event.call, message, seen);
    if (event.messageId !== undefined) checkMessageId(ledger, seen, message, event.messageId);
    if (event.notBefore !== undefined && event.notBefore > 0) {
      message.delayed = true;
    }
    message.expiresAt = event.expiresAt ?? 0;
    this.news(message);
    if (message.ended !== undefined) return;
    if (!isDurable(message)) {
      message.life = ledger.life(event.node);
      message.life.queries.add(message);
    }
    this.ledger.enterLine(message);
  }

  /** What was handed in again is no message of its own. */
  duplicate({ id, of }: Duplicate): void {
    const { ledger } = this;
    const message = ledger.message(id);
    const first = ledger.message(of);
    message.sameAs = first;
    ledger.unready(message);
    const { resolved } = message;
    const call = resolved === undefined ? undefined : ledger.calls.get(resolved.event.call);
    if (call?.message === message) call.message = first;
  }

  promoted(seen: Seen<Promoted>): void {
    const message = this.ledger.message(seen.event.id);
    message.promoted = seen;
    this.news(message);
    this.ledger.enterLine(message);
  }

  dispatched(seen: Seen<Dispatched>): void {
    const message = this.ledger.message(seen.event.id);
    const { entity, lastStart } = message;
    // The mark is news: what was not known before it has to be decided now.
    if (entity !== undefined && lastStart !== undefined && mayStartAgain(this.ledger, message, entity))
      message.granted = true;
    message.dispatched = seen;
    this.news(message);
    if (entity === undefined || lastStart === undefined || message.isEarly !== true) return;
    // Only now that run is one: whatever came before it in line had to be through.
    message.isEarly = false;
    checkOrderOfStart(this.ledger, lastStart, message, entity);
    noteStartedCall(this.ledger, message);
  }

  started(seen: Seen<Started>): void {
    const { ledger } = this;
    const message = ledger.addressed(seen.event);
    const entity = ledger.entity(seen.event.entityType, seen.event.entityId);
    ledger.starts += 1;
    checkStart(ledger, seen, message, entity);
    checkNotEarly(ledger, seen, message);
    checkLease(ledger, seen, message);
    checkFencing(ledger, seen, message, entity);
    checkAlone(ledger, seen, message, entity);
    checkOperated(ledger, seen, message, entity);
    const isEarly = isBeforeLine(ledger, message);
    if (!isEarly) checkOrderOfStart(ledger, seen, message, entity);

    message.life?.queries.delete(message);
    message.life?.unsettled.delete(message);
    message.life?.running.delete(message);
    message.life = ledger.life(seen.event.node);
    message.life.unsettled.add(message);
    message.life.running.add(message);
    message.firstStart ??= seen;
    message.lastStart = seen;
    message.starts += 1;
    message.run = 'running';
    message.abandoned = false;
    message.granted = false;
    message.maybeEnded = false;
    entity.running.set(message, seen);
    if (seen.event.shard !== undefined) ledger.shard(seen.event.shard).running.add(message);
    entity.lastStart = seen;
    entity.delayed.delete(message);
    this.news(message);
    message.isEarly = isEarly;
    if (isEarly) return;
    this.release(message);
    noteStartedCall(ledger, message);
  }

  handlerEnded(seen: Seen<HandlerEnded>): void {
    const message = this.ledger.message(seen.event.id);
    // A former owner's handler may settle long after the message has started again elsewhere (M7).
    if (this.ledger.storeTold && message.lastStart?.event.attempt !== seen.event.attempt) return;
    if (this.ledger.storeTold && message.lastStart?.event.node !== seen.event.node) return;
    message.handlerEnded = seen;
    message.run = seen.event.ok ? 'returned' : 'threw';
    message.entity?.running.delete(message);
    message.life?.running.delete(message);
    const { shard } = message.lastStart?.event ?? {};
    if (shard !== undefined) this.ledger.shard(shard).running.delete(message);
    if (isDurable(message)) return;
    this.settled(message);
    this.ledger.unready(message);
  }

  abandoned(event: Abandoned): void {
    const message = this.ledger.message(event.id);
    message.abandoned = true;
    // As if it had not started.
    if (message.isEarly === true) message.firstStart = undefined;
    message.isEarly = false;
    message.entity?.running.delete(message);
  }

  retried(seen: Seen<Retried>): void {
    const message = this.ledger.message(seen.event.id);
    if (seen.event.reason === 'interrupted') countInterruption(message);
    message.granted = true;
    if (seen.event.unstarted === true) message.dispatched = undefined;
    this.hold(message, seen);
  }

  blocked(seen: Seen<BlockedOrNot>): void {
    this.hold(this.ledger.message(seen.event.id), seen);
  }

  unblocked(event: BlockedOrNot): void {
    const message = this.ledger.message(event.id);
    message.unblocks += 1;
    message.granted = true;
    this.news(message);
    this.release(message);
  }

  ended(seen: Seen<Ended>): void {
    const { ledger } = this;
    const message = ledger.message(seen.event.id);
    checkEnded(ledger, seen, message);
    if (message.ended !== undefined) return;
    checkOvertakenUnrun(ledger, seen, message);
    message.ended = seen;
    message.earlyAnswers = [];
    ledger.ended[seen.event.state] += 1;
    this.settled(message);
    message.entity?.held.delete(message);
    ledger.unready(message);
  }

  cancelCalled(seen: Seen<CancelCalled>): void {
    const { ledger } = this;
    const { id, entityType, entityId } = seen.event;
    if (id !== undefined) ledger.message(id).cancelCalled = seen;
    else if (entityType === undefined) return;
    else if (entityId === undefined) ledger.cancelledTypes.set(entityType, seen);
    else ledger.entity(entityType, entityId).cancelCalled = seen;
  }

  replayed(seen: Seen<Replayed>): void {
    const { ledger } = this;
    const letter = this.letterGone(seen);
    const message = ledger.message(seen.event.newId);
    message.origin = seen;
    message.entity ??= letter.entity;
    message.kind = letter.kind;
    if (letter.messageId !== undefined) {
      message.messageId = letter.messageId;
      message.entity?.messageIds.set(letter.messageId, message);
    }
    if (message.ended === undefined) this.ledger.enterLine(message);
  }

  /** A dead letter left the dead letters. It can do so once. */
  letterGone(seen: Seen<Replayed | Purged>): MessageTrack {
    const letter = this.ledger.message(seen.event.id);
    const before = letter.letterGone;
    if (before !== undefined) {
      this.ledger.violation(
        'I7',
        letter,
        `the dead letter ${letter.id} was ${seen.event.type} although it had been ${before.event.type}: it had not left the dead letters.`,
        [letter.ended, before, seen],
      );
    }
    letter.letterGone = seen;
    return letter;
  }

  paused(event: PausedOrResumed): void {
    const { ledger } = this;
    const stopped = event.type === 'paused';
    if (event.entityId !== undefined) {
      const entity = ledger.entity(event.entityType, event.entityId);
      entity.paused = stopped;
      ledger.refresh(entity);
    } else if (stopped) ledger.pausedTypes.add(event.entityType);
    else ledger.pausedTypes.delete(event.entityType);
  }

  private hold(message: MessageTrack, seen: Seen<Retried | BlockedOrNot>): void {
    this.settled(message);
    message.held = seen;
    message.entity?.held.add(message);
    this.ledger.unready(message);
  }

  private release(message: MessageTrack): void {
    message.held = undefined;
    message.entity?.held.delete(message);
    if (message.ended === undefined) this.ledger.enterLine(message);
  }

  /** The attempt, or the message, has a durable outcome. */
  private settled(message: MessageTrack): void {
    message.life?.unsettled.delete(message);
    message.life?.queries.delete(message);
    message.entity?.marked.delete(message);
    message.maybeEnded = false;
    this.news(message);
  }

  private news(message: MessageTrack): void {
    message.crashesAtNews = this.ledger.crashes;
    checkAtRest(this.ledger, message);
  }
}
