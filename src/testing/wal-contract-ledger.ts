/**
 * An account of what an owner was told, kept without the model: whatever the model and the adapter agree on, the answers
 * of a shard must also keep these promises among themselves. Guards against a fault that both have.
 */
import assert from 'node:assert/strict';
import type { OutboxEntry, Outcome, OutgoingMessage, Sent, StoredMessage, Transition } from '../wal/transition.js';
import type { CommitAnswer, CommitRequest, Wal } from '../wal/wal.js';

interface Entry {
  readonly id: string;
  readonly entity: string;
  attempt: number;
}

export class ContractLedger {
  /** Messages in line by this account. */
  readonly #bySeq = new Map<number, Entry>();
  readonly #pending = new Set<string>();
  readonly #ended = new Set<string>();
  /** Last number of each target and epoch. */
  readonly #outbox = new Map<string, number>();
  #accepted = 0;
  #lastSeq = 0;

  /** Call once for every commit that was applied, in order. */
  observe(request: CommitRequest, answer: CommitAnswer): void {
    assert.equal(answer.outcomes.length, request.transitions.length, 'one outcome per transition');
    for (const { offer, outcome } of answer.taken) this.#observe(offer.transition, outcome);
    for (const [index, transition] of request.transitions.entries())
      this.#observe(transition, answer.outcomes[index] as Outcome);
    assert(answer.nextSeq > this.#lastSeq, `nextSeq ${answer.nextSeq} after place ${this.#lastSeq} (I4)`);
  }

  /** Everything accepted is pending or ended, by this account too (I7); lines are in order of acceptance (I4). */
  async check(wal: Wal): Promise<void> {
    const counts = await wal.counts(0);
    assert.equal(counts.accepted, this.#accepted, 'accepted (I7)');
    assert.equal(counts.pending, this.#pending.size, 'pending (I7)');
    const heads = await wal.scan(0, 0, 1_000_000);
    const messages = await wal.load(
      0,
      heads.map((head) => head.seq),
    );
    assert.equal(messages.length, heads.length, 'every message in line can be loaded');
    for (const [index, message] of messages.entries()) {
      assert(index === 0 || message.seq > (messages[index - 1]?.seq ?? 0), 'the line is in order (I4)');
      assert.equal(this.#bySeq.get(message.seq)?.id, message.id, 'a message keeps its place (I4)');
      assert.equal(this.#bySeq.get(message.seq)?.attempt, message.attempt, 'attempts are counted (M14)');
    }
  }

  #observe(transition: Transition, outcome: Outcome): void {
    if (transition.type === 'append') this.#makeRoom(transition, outcome);
    if (outcome.type === 'expired' || outcome.type === 'cancelled') {
      if (transition.type === 'append') this.#accept(transition.message.id);
      this.#end(outcome.message.id, outcome.message.seq);
      return;
    }
    switch (transition.type) {
      case 'append': {
        const { id, entityType, entityId } = transition.message;
        if (outcome.type === 'appended' || outcome.type === 'delayed') this.#accept(id);
        if (outcome.type === 'appended')
          this.#place(outcome.seq, id, `${entityType}\n${entityId}`, outcome.dispatched ? 1 : 0);
        if (outcome.type !== 'appended' || transition.completes === undefined) return;
        assert.equal(outcome.completed !== undefined, outcome.dispatched, 'what ran before completes where it starts');
        if (outcome.completed === undefined) return;
        this.#end(id, outcome.seq);
        this.#observeSent(transition.completes.outgoing ?? [], outcome.completed);
        return;
      }
      case 'promote':
      case 'replay':
        if (outcome.type !== 'queued') return;
        if (transition.type === 'replay' || transition.again !== undefined) this.#accept(outcome.message.id);
        this.#placeMessage(outcome.message);
        return;
      case 'dispatch':
        if (outcome.type === 'dispatched') this.#start(transition.seq, outcome.attempt);
        return;
      case 'retry':
      case 'block':
        if (transition.starts) this.#startUnmarked(transition.seq);
        if (transition.type === 'retry' && transition.unstarted) this.#entry(transition.seq).attempt -= 1;
        return;
      case 'complete':
      case 'fail':
        if (transition.starts) this.#startUnmarked(transition.seq);
        this.#end(this.#entry(transition.seq).id, transition.seq);
        if (transition.type === 'complete')
          this.#observeSent(transition.outgoing ?? [], outcome.type === 'sent' ? outcome.sent : []);
        return;
      case 'skip':
        if (outcome.type === 'skipped') this.#end(outcome.message.id, outcome.message.seq);
        return;
      case 'interrupt':
        if (!transition.retry && !transition.block) this.#end(this.#entry(transition.seq).id, transition.seq);
        return;
      default:
        return;
    }
  }

  /** What a handler sent is accepted with its completion where it arrives, and waits in the outbox otherwise (M15). */
  #observeSent(outgoing: readonly OutgoingMessage[], sent: readonly Sent[]): void {
    assert.equal(sent.length, outgoing.length, 'one answer per message that was sent');
    for (const [index, one] of sent.entries()) {
      const asked = outgoing[index] as OutgoingMessage;
      if (one.type === 'arrived') this.#observe(asked.append, one.outcome);
      else this.#observeEntry(one.entry);
    }
  }

  /** Numbers per target and epoch have no gaps (M11). */
  #observeEntry({ targetShard, epoch, number }: OutboxEntry): void {
    const key = `${targetShard}.${epoch}`;
    assert.equal(number, (this.#outbox.get(key) ?? 0) + 1, `outbox to shard ${targetShard} in epoch ${epoch}`);
    this.#outbox.set(key, number);
  }

  /** A delayed message that gave way to the new one of its id was cancelled, also if the new one is another's duplicate. */
  #makeRoom({ replace, message: { id } }: Extract<Transition, { type: 'append' }>, outcome: Outcome): void {
    if (!replace || !this.#pending.has(id) || [...this.#bySeq.values()].some((entry) => entry.id === id)) return;
    if (outcome.type === 'deferred' || (outcome.type === 'duplicate' && outcome.id === id)) return;
    this.#end(id, 0);
  }

  /** It was not marked, and settles: it was the first of its line (I2, I4). */
  #startUnmarked(seq: number): void {
    const entry = this.#entry(seq);
    entry.attempt += 1;
    for (const [other, { entity }] of this.#bySeq)
      assert(other >= seq || entity !== entry.entity, `place ${seq} ran unmarked behind ${other} of its entity (I4)`);
  }

  #accept(id: string): void {
    assert(!this.#pending.has(id), `${id} was accepted twice while it was pending`);
    this.#accepted += 1;
    this.#ended.delete(id);
    this.#pending.add(id);
  }

  #placeMessage(message: StoredMessage): void {
    this.#place(message.seq, message.id, `${message.entityType}\n${message.entityId}`, message.attempt);
  }

  #place(seq: number, id: string, entity: string, attempt: number): void {
    assert(seq > this.#lastSeq, `place ${seq} after ${this.#lastSeq}: places only grow (I4)`);
    this.#lastSeq = seq;
    this.#bySeq.set(seq, { id, entity, attempt });
    if (attempt === 1) this.#assertFirst(seq, entity);
  }

  #start(seq: number, attempt: number): void {
    const entry = this.#entry(seq);
    assert.equal(attempt, entry.attempt + 1, `${entry.id}: attempts grow by one (I2)`);
    entry.attempt = attempt;
    this.#assertFirst(seq, entry.entity);
  }

  /** Nothing of the entity that never started and has not ended is ahead of what starts. */
  #assertFirst(seq: number, entity: string): void {
    for (const [other, entry] of this.#bySeq) {
      if (other >= seq) return;
      const waits = entry.entity === entity && entry.attempt === 0;
      assert(!waits, `place ${seq} started before ${other} of the same entity (I4)`);
    }
  }

  #end(id: string, seq: number): void {
    assert(!this.#ended.has(id), `${id} ended twice (I5)`);
    assert(this.#pending.delete(id), `${id} ended without being pending (I5)`);
    this.#ended.add(id);
    this.#bySeq.delete(seq);
  }

  #entry(seq: number): Entry {
    const entry = this.#bySeq.get(seq);
    assert(entry !== undefined, `place ${seq} was never given`);
    return entry;
  }
}
