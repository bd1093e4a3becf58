/**
 * What waits for the next commits of a shard, in order: transitions with those who want to hear of them, and which of them
 * must not be parted. It decides how much goes into a commit and sends nothing.
 */

import { type Batch, type Group, moved, type Participant, weightOf } from './commit-batch.js';
import type { Outcome, Transition } from './transition.js';

/**
 * How much goes into one commit, in plain transitions. On SQLite 512 of them hold the event loop for about 2 ms
 * (measured, 2 cores); larger batches gain little throughput.
 */
export const COMMIT_WEIGHT_MAX = 512;

export class CommitQueue {
  private transitions: Transition[] = [];
  private participants: Participant[] = [];
  /** Groups that must not be split, ascending positions in `transitions`. */
  private groups: Group[] = [];
  /** Transitions at the front that are in a batch already. */
  private taken = 0;
  /** Transitions at the front that go one by one, because one of them cannot be applied. */
  private singles = 0;

  /** Transitions that wait. */
  get size(): number {
    return this.transitions.length - this.taken;
  }

  push(transition: Transition, participant: Participant): void {
    this.transitions.push(transition);
    this.participants.push(participant);
  }

  /** Adds transitions that share one commit. */
  pushGroup(transitions: readonly Transition[], participants: readonly Participant[]): void {
    const start = this.transitions.length;
    transitions.forEach((transition, index) => {
      this.push(transition, participants[index] as Participant);
    });
    if (transitions.length > 1) this.groups.push({ start, end: start + transitions.length });
  }

  /** Takes out the participant's transition of this type, which belongs to no group; false when none waits. */
  withdraw(participant: Participant, type: Transition['type']): boolean {
    for (let index = this.transitions.length - 1; index >= this.taken; index -= 1) {
      if (this.participants[index] !== participant || this.transitions[index]?.type !== type) continue;
      this.transitions.splice(index, 1);
      this.participants.splice(index, 1);
      this.groups = this.groups.map((group) =>
        group.start > index ? { start: group.start - 1, end: group.end - 1 } : group,
      );
      if (index < this.taken + this.singles) this.singles -= 1;
      return true;
    }
    return false;
  }

  /** Puts a batch back ahead of everything that waits. `singly`: its groups, or else its transitions, go one by one. */
  putFront(batch: Batch, singly = false): void {
    const late = this.groups.filter((group) => group.start >= this.taken);
    this.transitions = [...batch.transitions, ...this.transitions.slice(this.taken)];
    this.participants = [...batch.participants, ...this.participants.slice(this.taken)];
    this.groups = [...batch.groups, ...moved(late, batch.transitions.length - this.taken)];
    this.taken = 0;
    if (singly) this.singles = batch.transitions.length;
  }

  /** Takes the next batch out: everything, up to the limit, without splitting a group. */
  cut(): Batch {
    const batch = this.takeNext();
    for (const participant of batch.participants) participant.sealed?.();
    return batch;
  }

  private takeNext(): Batch {
    const start = this.taken;
    const end = this.cutAt();
    if (start === 0 && end === this.transitions.length) {
      const { transitions, participants, groups } = this;
      this.transitions = [];
      this.participants = [];
      this.groups = [];
      return { transitions, participants, groups };
    }
    const batch = {
      transitions: this.transitions.slice(start, end),
      participants: this.participants.slice(start, end),
      groups: moved(
        this.groups.filter((group) => group.start >= start && group.end <= end),
        -start,
      ),
    };
    this.taken = end;
    // The front is given back only when it is most of the queue, so that a long queue is not copied for each batch.
    if (end * 2 >= this.transitions.length) {
      this.transitions = this.transitions.slice(end);
      this.participants = this.participants.slice(end);
      this.groups = moved(
        this.groups.filter((group) => group.start >= end),
        -end,
      );
      this.taken = 0;
    }
    return batch;
  }

  /** Takes everything out; nothing is a group any more. */
  takeAll(): Batch {
    const batch = {
      transitions: this.transitions.slice(this.taken),
      participants: this.participants.slice(this.taken),
      groups: [],
    };
    this.transitions = [];
    this.participants = [];
    this.groups = [];
    this.taken = 0;
    this.singles = 0;
    return batch;
  }

  /** Where the next batch ends. */
  private cutAt(): number {
    const { length } = this.transitions;
    let end = this.taken;
    let weight = 0;
    const weightMax = this.singles > 0 ? 1 : COMMIT_WEIGHT_MAX;
    while (end < length && weight < weightMax) {
      weight += weightOf(this.transitions[end] as Transition);
      end += 1;
    }
    for (const group of this.groups) if (group.start < end && end < group.end) end = group.end;
    this.singles = Math.max(0, this.singles - (end - this.taken));
    return end;
  }
}

/** The appends of a batch that the store has deferred. Those of a group are deferred together, so that it is still one. */
export function deferredOf(batch: Batch, outcomes: readonly Outcome[]): Batch {
  const isDeferred = (index: number): boolean => outcomes[index]?.type === 'deferred';
  const before: number[] = [0];
  outcomes.forEach((_, index) => before.push((before.at(-1) as number) + (isDeferred(index) ? 1 : 0)));
  return {
    transitions: batch.transitions.filter((_, index) => isDeferred(index)),
    participants: batch.participants.filter((_, index) => isDeferred(index)),
    groups: batch.groups
      .map(({ start, end }) => ({ start: before[start] as number, end: before[end] as number }))
      .filter(({ start, end }) => end - start > 1),
  };
}
