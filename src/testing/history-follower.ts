/**
 * Follows a history: each method takes one kind of event, asks the rules about it, then moves the records on. It owns
 * what the records mean from one event to the next, and no rule.
 */
import type {
  Abandoned,
  Accepted,
  Answered,
  BlockedOrNot,
  CancelCalled,
  Dispatched,
  Duplicate,
  Ended,
  EnqueueCalled,
  EnqueueRejected,
  EnqueueResolved,
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
import { type CallTrack, isBeforeLine, isDurable, type MessageTrack } from './history-tracks.js';
import { checkAnswer, checkEnded, checkRefusedStaysOut, checkRejected } from './history-verdict-rules.js';

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

  called(seen: Seen<EnqueueCalled>): void {
    const { ledger } = this;
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

  resolved(seen: Seen<EnqueueResolved>): void {
    const { ledger } = this;
    const { call: name, id } = seen.event;
    const message = ledger.message(id).sameAs ?? ledger.message(id);
    const call = ledger.calls.get(name);
    call?.life.calls.delete(call);
    const isNew = message.accepted === undefined && message.resolved === undefined && message.origin === undefined;
    message.resolved ??= seen;
    this.link(name, message, seen);
    if (isNew && message.ended === undefined) this.enterLine(message);
  }

  rejected(seen: Seen<EnqueueRejected>): void {
    const { ledger } = this;
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
      if (known !== undefined) this.link(seen.event.call, known, seen);
    }
  }

  answered(seen: Seen<Answered>): void {
    const call = this.ledger.calls.get(seen.event.call);
    if (call === undefined) return;
    call.life.calls.delete(call);
    const { kind } = call.called.event;
    // The id that a waiter hears of a volatile query may be that of its question, and not of what ran.
    const isQuestion = this.ledger.queriesTravel && kind === 'query' && call.message !== undefined;
    if (seen.event.id !== undefined && !isQuestion)
      this.link(seen.event.call, this.ledger.message(seen.event.id), seen);
    call.answered = seen;
    if (call.message !== undefined) checkAnswer(this.ledger, seen, call.message);
  }

  /** The call made this message, or was a duplicate of the one that did. */
  link(name: string | undefined, message: MessageTrack, seen: Seen): void {
    const { ledger } = this;
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
    if (message.call === undefined && this.mayHaveMade(call, message, seen)) {
      const first = messageId === undefined ? undefined : entity.firstCalls.get(messageId);
      const isEarlier =
        first !== undefined &&
        first.called.position < call.called.position &&
        ledger.ordered(first.called.event, call.called.event);
      message.call = isEarlier ? first : call;
      if (delayed === true && !message.delayed) {
        message.delayed = true;
        if (entity.waiting.has(message)) this.enterLine(message);
      }
      noteStartedCall(ledger, message);
    }
    if (messageId !== undefined) checkMessageId(ledger, seen, message, messageId);
    if (call.rejected !== undefined) checkRefusedStaysOut(ledger, call);
    if (call.answered !== undefined) checkAnswer(ledger, call.answered, message);
  }

  accepted(seen: Seen<Accepted>): void {
    const { ledger } = this;
    const { event } = seen;
    if (event.replaces === true) ledger.replace(seen);
    const message = ledger.addressed(event);
    message.accepted ??= seen;
    if (event.from !== undefined) message.claimed = true;
    message.crashesAtAccept = ledger.crashes;
    this.link(event.call, message, seen);
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
    this.enterLine(message);
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
    this.enterLine(message);
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
    if (message.ended === undefined) this.enterLine(message);
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

  /** A message that was there before the call, or that a replay made, has the call as a duplicate only. */
  private mayHaveMade({ called }: CallTrack, message: MessageTrack, seen: Seen): boolean {
    if (message.origin !== undefined) return false;
    if (seen.event.type === 'accepted') return true;
    // Which of several calls with one key came first, only a common order can tell.
    if (!this.ledger.commonOrder && called.event.messageId !== undefined) return false;
    const sign = message.accepted ?? message.firstStart;
    return sign === undefined || !this.ledger.ordered(sign.event, called.event) || called.position < sign.position;
  }

  private enterLine(message: MessageTrack): void {
    const { entity } = message;
    if (entity === undefined || message.held !== undefined) return;
    const waits = message.delayed && message.promoted === undefined && message.starts === 0;
    (waits ? entity.delayed : entity.waiting).add(message);
    (waits ? entity.waiting : entity.delayed).delete(message);
    this.ledger.refresh(entity);
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
    if (message.ended === undefined) this.enterLine(message);
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
