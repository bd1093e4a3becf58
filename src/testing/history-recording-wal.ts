/**
 * A WAL that writes what its store has confirmed into a history, before the engine hears of it. So the history holds what
 * is durable by the store's own word. Owns the map from places in line to message ids; changes nothing of what passes.
 */
import type { Envelope } from '../message/envelope.js';
import type { DeadLetter, Outcome, OutgoingMessage, Sent, StoredMessage, Transition } from '../wal/transition.js';
import type {
  BlockedMessage,
  CommitAnswer,
  CommitRequest,
  DeadLetterQuery,
  EntityRef,
  MessageHead,
  Offer,
  OfferLimits,
  OpenedShard,
  PausedLine,
  Reminder,
  ReminderQuery,
  Wal,
} from '../wal/wal.js';
import type { Accepted } from './history.js';
import type { HistoryRecorder } from './history-recorder.js';

/** The name of the call that made a message, as `BusRecording.callOf` gave it; undefined if the message does not tell. */
export type CallOfEnvelope = (message: Envelope) => string | undefined;

/** How the sessions begin under which an outbox is relayed. */
const OUTBOX_SESSIONS = 'outbox.';

const PAGE = 1_000;
/** As many delayed messages as a snapshot reads: `due` has no pages. */
const DELAYED_MAX = 10_000_000;

export function recordWal(wal: Wal, recorder: HistoryRecorder, callOf: CallOfEnvelope = () => undefined): Wal {
  return new RecordingWal(wal, recorder, callOf);
}

/** Writes `final` snapshots of shards, read page by page. For after the run, when nobody writes any more. */
export async function recordFinal(wal: Wal, recorder: HistoryRecorder, shards: readonly number[]): Promise<void> {
  for (const shard of shards) {
    const delayed = await wal.due(shard, Number.MAX_SAFE_INTEGER, DELAYED_MAX);
    recorder.record({ type: 'final', counts: await wal.counts(shard), pending: delayed.ids, deadLetters: [] });
    let after = 0;
    for (let heads = await wal.scan(shard, after, PAGE); heads.length > 0; heads = await wal.scan(shard, after, PAGE)) {
      const messages = await wal.load(
        shard,
        heads.map((head) => head.seq),
      );
      recorder.record({ type: 'final', pending: messages.map((message) => message.id), deadLetters: [] });
      after = heads.at(-1)?.seq ?? after;
    }
    after = 0;
    let letters = await wal.deadLetters(shard, { after, limit: PAGE });
    while (letters.length > 0) {
      recorder.record({ type: 'final', pending: [], deadLetters: letters.map(({ id, reason }) => ({ id, reason })) });
      after = letters.at(-1)?.number ?? after;
      letters = await wal.deadLetters(shard, { after, limit: PAGE });
    }
  }
}

interface Place {
  readonly id: string;
  /** Attempts started so far. */
  attempt: number;
}

export class RecordingWal implements Wal {
  /** By shard and place, of messages in line. */
  private readonly places = new Map<number, Map<number, Place>>();
  /** The last commit of each shard that was written down: a store that is asked again gives its answer again (M1). */
  private readonly lastWritten = new Map<number, string>();

  constructor(
    private readonly wal: Wal,
    protected readonly recorder: HistoryRecorder,
    private readonly callOf: CallOfEnvelope,
  ) {}

  get description(): Wal['description'] {
    return this.wal.description;
  }
  start(): Promise<void> {
    return this.wal.start();
  }
  stop(): Promise<void> {
    return this.wal.stop();
  }

  async open(shard: number, incarnation: string): Promise<OpenedShard> {
    const opened = await this.wal.open(shard, incarnation);
    // Others may have had the shard meanwhile: what they did to its messages is read again where it matters.
    this.places.delete(shard);
    this.recorder.record({ type: 'opened', shard, epoch: opened.epoch });
    return opened;
  }

  async commit(request: CommitRequest): Promise<CommitAnswer> {
    const { shard, epoch, number, transitions } = request;
    await this.learnPlaces(shard, transitions);
    this.recorder.record({ type: 'commitCalled', shard, epoch, number });
    for (const transition of transitions) this.recordWish(transition);
    const answer = await this.wal.commit(request);
    const name = `${epoch}/${number}`;
    if (this.lastWritten.get(shard) === name) return answer;
    this.lastWritten.set(shard, name);
    this.recorder.record({ type: 'committed', shard, epoch, number }, answer.now);
    for (const { offer, outcome } of answer.taken) {
      this.recordWish(offer.transition);
      // The caller of a withdrawal from outside writes no history of its own.
      if (offer.transition.type === 'cancel') this.recorder.record({ type: 'cancelCalled', id: offer.transition.id });
      // A caller that was answered when its offer was durable has got an id of its own for what is no second message.
      if (offer.transition.type === 'append' && outcome.type === 'duplicate') {
        const { id } = offer.transition.message;
        if (outcome.id !== id) this.recorder.record({ type: 'duplicate', id, of: outcome.id }, answer.now);
      }
      const from = offer.session.startsWith(OUTBOX_SESSIONS) ? 'handler' : undefined;
      this.recordOutcome(request, offer.transition, outcome, answer.now, from);
    }
    transitions.forEach((transition, index) => {
      const outcome = answer.outcomes[index];
      if (outcome !== undefined) this.recordOutcome(request, transition, outcome, answer.now);
    });
    return answer;
  }

  release(shard: number, epoch: number, incarnation: string): Promise<void> {
    return this.wal.release(shard, epoch, incarnation);
  }
  offer(shard: number, offers: readonly Offer[], limits?: OfferLimits): Promise<void> {
    return this.wal.offer(shard, offers, limits);
  }
  offerMark(shard: number, session: string): Promise<number> {
    return this.wal.offerMark(shard, session);
  }
  scan(shard: number, afterSeq: number, limit: number): Promise<readonly MessageHead[]> {
    return this.wal.scan(shard, afterSeq, limit);
  }
  load(shard: number, seqs: readonly number[]): Promise<readonly StoredMessage[]> {
    return this.wal.load(shard, seqs);
  }
  due(shard: number, now: number, limit: number): ReturnType<Wal['due']> {
    return this.wal.due(shard, now, limit);
  }
  status(shard: number, id: string): ReturnType<Wal['status']> {
    return this.wal.status(shard, id);
  }
  counts(shard: number): ReturnType<Wal['counts']> {
    return this.wal.counts(shard);
  }
  deadLetters(shard: number, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    return this.wal.deadLetters(shard, query);
  }
  deadLetter(shard: number, id: string): Promise<DeadLetter | undefined> {
    return this.wal.deadLetter(shard, id);
  }
  actorStates(shard: number, entities: readonly EntityRef[]): Promise<readonly (string | undefined)[]> {
    return this.wal.actorStates(shard, entities);
  }
  blocked(shard: number, afterSeq: number, limit: number): Promise<readonly BlockedMessage[]> {
    return this.wal.blocked(shard, afterSeq, limit);
  }
  paused(shard: number): Promise<readonly PausedLine[]> {
    return this.wal.paused(shard);
  }
  reminders(shard: number, query: ReminderQuery): Promise<readonly Reminder[]> {
    return this.wal.reminders(shard, query);
  }
  outbox(shard: number, limit: number): ReturnType<Wal['outbox']> {
    return this.wal.outbox(shard, limit);
  }
  cleanup(shard: number, epoch: number, incarnation: string, limit: number): Promise<number> {
    return this.wal.cleanup(shard, epoch, incarnation, limit);
  }

  private placesOf(shard: number): Map<number, Place> {
    const known = this.places.get(shard);
    if (known !== undefined) return known;
    const places = new Map<number, Place>();
    this.places.set(shard, places);
    return places;
  }

  /** Messages from before this process came without their ids: asks for those that the commit names. */
  private async learnPlaces(shard: number, transitions: readonly Transition[]): Promise<void> {
    const places = this.placesOf(shard);
    const unknown = transitions.flatMap((each) => ('seq' in each && !places.has(each.seq) ? [each.seq] : []));
    if (unknown.length === 0) return;
    for (const { seq, id, attempt } of await this.wal.load(shard, unknown)) places.set(seq, { id, attempt });
  }

  private recordWish(transition: Transition): void {
    if (transition.type === 'replay') this.recorder.record({ type: 'replayCalled', id: transition.id });
    if (transition.type === 'purge') this.recorder.record({ type: 'purgeCalled', id: transition.id });
  }

  private queued(shard: number, { seq, id, attempt }: StoredMessage): void {
    this.placesOf(shard).set(seq, { id, attempt });
  }

  /** What arrived with the completion is accepted; what is relayed is recorded when its target takes it in. */
  private recordSent(
    request: CommitRequest,
    outgoing: readonly OutgoingMessage[],
    sent: readonly Sent[],
    now: number,
  ): void {
    for (const [index, { append }] of outgoing.entries()) {
      const one = sent[index];
      if (one?.type === 'arrived') this.recordOutcome(request, append, one.outcome, now, 'handler');
    }
  }

  private recordOutcome(
    request: CommitRequest,
    transition: Transition,
    outcome: Outcome,
    now: number,
    from?: Accepted['from'],
  ): void {
    const { shard, epoch } = request;
    const places = this.placesOf(shard);
    const record: HistoryRecorder['record'] = (fact) => this.recorder.record(fact, now);
    const place = 'seq' in transition ? places.get(transition.seq) : undefined;
    const id = place?.id ?? ('seq' in transition ? `unknown ${shard}/${transition.seq}` : '');
    if ('starts' in transition && transition.starts === true) {
      const attempt = (place?.attempt ?? 0) + 1;
      if (place !== undefined) place.attempt = attempt;
      record({ type: 'dispatched', id, attempt, shard, epoch });
    }
    switch (transition.type) {
      case 'append': {
        const { message } = transition;
        const { id: newId, kind, entityType, entityId, messageId } = message;
        const call = this.callOf(message);
        const made = message.recurrence === undefined ? from : 'reminder';
        const accepted = {
          type: 'accepted' as const,
          ...{ id: newId, kind, entityType, entityId, call, messageId },
          ...(made !== undefined && { from: made }),
          ...(transition.replace === true && { replaces: true }),
        };
        const { expiresInMs } = transition;
        const expiresAt = expiresInMs === undefined ? undefined : Math.max(1, now + expiresInMs);
        if (outcome.type === 'delayed') record({ ...accepted, notBefore: outcome.notBefore, expiresAt });
        else if (outcome.type === 'duplicate' && call !== undefined) record({ type: 'linked', call, id: outcome.id });
        else if (outcome.type === 'appended') {
          places.set(outcome.seq, { id: newId, attempt: outcome.dispatched ? 1 : 0 });
          record({ ...accepted, expiresAt: outcome.expiresAt });
          if (outcome.dispatched) record({ type: 'dispatched', id: newId, attempt: 1, shard, epoch });
          if (outcome.completed === undefined) return;
          places.delete(outcome.seq);
          record({ type: 'ended', id: newId, state: 'completed', reply: transition.completes?.reply });
          this.recordSent(request, transition.completes?.outgoing ?? [], outcome.completed, now);
        } else if (outcome.type === 'expired') {
          record({ ...accepted, expiresAt });
          record({ type: 'ended', id: newId, state: 'expired' });
        }
        return;
      }
      case 'promote':
        if (outcome.type === 'expired') return record({ type: 'ended', id: transition.id, state: 'expired' });
        if (outcome.type !== 'queued') return;
        this.queued(shard, outcome.message);
        if (transition.again === undefined) return record({ type: 'promoted', id: outcome.message.id });
        return record({ ...acceptedOf(outcome.message), from: 'reminder' });
      case 'dispatch':
        if (outcome.type === 'dispatched' && place !== undefined) place.attempt = outcome.attempt;
        if (outcome.type === 'dispatched') record({ type: 'dispatched', id, attempt: outcome.attempt, shard, epoch });
        else if (outcome.type === 'expired') record({ type: 'ended', id, state: 'expired' });
        return;
      case 'complete':
        places.delete(transition.seq);
        record({ type: 'ended', id, state: 'completed', reply: transition.reply });
        if (outcome.type === 'sent') this.recordSent(request, transition.outgoing ?? [], outcome.sent, now);
        return;
      case 'retry':
        if (place !== undefined && transition.unstarted === true) place.attempt -= 1;
        return record({
          type: 'retried',
          id,
          reason: 'failed',
          notBefore: outcome.type === 'retried' ? outcome.notBefore : undefined,
          ...(transition.unstarted === true ? { unstarted: true } : {}),
        });
      case 'fail':
        places.delete(transition.seq);
        return record({ type: 'ended', id, state: 'failed' });
      case 'skip':
        if (outcome.type !== 'skipped') return;
        places.delete(outcome.message.seq);
        return record({ type: 'ended', id: transition.id, state: outcome.reason });
      case 'interrupt':
        if (outcome.type === 'retried')
          return record({ type: 'retried', id, reason: 'interrupted', notBefore: outcome.notBefore });
        if (transition.block === true) return record({ type: 'blocked', id });
        places.delete(transition.seq);
        return record({ type: 'ended', id, state: 'interrupted' });
      case 'block':
        return record({ type: 'blocked', id });
      case 'unblock':
        return outcome.type === 'unblocked' ? record({ type: 'unblocked', id: transition.id }) : undefined;
      case 'expire':
        if (outcome.type === 'expired') record({ type: 'ended', id, state: 'expired' });
        return;
      case 'cancel':
        if (outcome.type === 'cancelled') record({ type: 'ended', id: transition.id, state: 'cancelled' });
        return;
      case 'replay':
        if (outcome.type !== 'queued') return;
        this.queued(shard, outcome.message);
        return record({ type: 'replayed', id: transition.id, newId: outcome.message.id });
      case 'purge':
        if (outcome.type === 'purged') record({ type: 'purged', id: transition.id });
        return;
      case 'pause':
      case 'resume': {
        const { type, entityType, entityId } = transition;
        return record({ type: type === 'pause' ? 'paused' : 'resumed', entityType, entityId });
      }
      case 'relayed':
        return;
    }
  }
}

function acceptedOf({ id, kind, entityType, entityId }: StoredMessage) {
  return { type: 'accepted' as const, id, kind, entityType, entityId };
}
