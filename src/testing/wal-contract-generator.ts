/**
 * Makes up commits for the generated sequences: from the state of the model it picks moves that are mostly legal, and
 * tries each on the model before it goes into the commit. Everything comes from the seeded source, so that one seed is
 * one sequence whatever the adapter.
 */
import type { Envelope } from '../message/envelope.js';
import type { Random } from '../runtime/random.js';
import { beginChange, type ShardChange, undoChange } from '../wal/shard-change.js';
import { sortedFirst } from '../wal/shard-lists.js';
import { type ShardState, takeOffers } from '../wal/shard-state.js';
import { applyTransition } from '../wal/shard-transitions.js';
import type { Completion, OutgoingMessage, Transition } from '../wal/transition.js';
import {
  type CommitRequest,
  IllegalTransitionError,
  type OfferedTransition,
  type RetentionOptions,
} from '../wal/wal.js';

/** Ids that break naive keys and queries; few, so that the messages of a sequence meet in the same lines. */
const ENTITY_IDS = ['a', 'a:b', "{x}'; --%_\u0000é😀"] as const;
const ENTITY_TYPES = ['account', 'a'] as const;
const MESSAGE_IDS = ['k1', 'k2', '', '1k1'] as const;

/** Chooses among weighted kinds. */
export class Choice {
  constructor(readonly random: Random) {}

  below(limit: number): number {
    return Math.floor(this.random.next() * limit);
  }

  chance(probability: number): boolean {
    return this.random.next() < probability;
  }

  of<T>(values: readonly T[]): T | undefined {
    return values[this.below(values.length)];
  }

  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let point = this.random.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [kind, weight] of entries) {
      point -= weight;
      if (point < 0) return kind;
    }
    return (entries[0] as [K, number])[0];
  }
}

const MOVES: Readonly<Record<Transition['type'], number>> = {
  append: 30,
  promote: 5,
  dispatch: 20,
  complete: 16,
  retry: 6,
  fail: 5,
  interrupt: 4,
  block: 4,
  unblock: 3,
  skip: 2,
  expire: 4,
  cancel: 4,
  replay: 4,
  purge: 2,
  pause: 2,
  resume: 3,
  relayed: 2,
};

const OFFERS: Readonly<Record<OfferedTransition['type'], number>> = {
  append: 12,
  cancel: 3,
  replay: 2,
  purge: 1,
  pause: 1,
  resume: 2,
  unblock: 1,
  skip: 1,
};

export class CommitGenerator {
  /** Everything that a sequence has named, to ask about later. */
  readonly ids: string[] = [];
  readonly entities = ENTITY_TYPES.flatMap((type) => ENTITY_IDS.map((id) => [type, id] as const));
  readonly #choice: Choice;
  readonly #repliesTo: boolean;
  #made = 0;

  /** @param repliesTo whether some messages have a `replyTo`, for stores that keep it. */
  constructor(choice: Choice, repliesTo = false) {
    this.#choice = choice;
    this.#repliesTo = repliesTo;
  }

  /** Up to `length` transitions that are legal one after the other, if nothing else happens before. */
  legal(
    state: ShardState,
    now: number,
    retention: RetentionOptions,
    length: number,
    runsUnmarked?: CommitRequest['runsUnmarked'],
  ): Transition[] {
    const change = beginChange(state, now, retention, runsUnmarked);
    takeOffers(change);
    const transitions: Transition[] = [];
    for (let tries = 0; transitions.length < length && tries < length * 4; tries++) {
      const transition = this.#move(change, this.#choice.weighted(MOVES));
      if (transition !== undefined && isLegal(change, transition)) transitions.push(transition);
    }
    undoChange(change);
    return transitions;
  }

  /** A list with at least one transition in it that is not legal there. */
  illegal(state: ShardState, now: number, retention: RetentionOptions, length: number): Transition[] {
    const transitions = this.legal(state, now, retention, length);
    const place = state.numbers.nextSeq + 1_000;
    const wrong: readonly Transition[] = [
      { type: 'dispatch', seq: place },
      { type: 'complete', seq: place },
      { type: 'complete', seq: place, starts: true },
      { type: 'relayed', count: 1_000_000 },
      { type: 'append', message: this.#envelope(), dispatch: true, delayMs: 10 },
      { type: 'append', message: this.#envelope(), runAt: now + 5, delayMs: 10 },
      { type: 'append', message: this.#envelope(), completes: { reply: '1' } },
    ];
    const chosen = this.#choice.of(wrong);
    if (chosen !== undefined) transitions.splice(this.#choice.below(transitions.length + 1), 0, chosen);
    return transitions;
  }

  offered(state: ShardState, now: number, retention: RetentionOptions): OfferedTransition {
    const kind = this.#choice.weighted(OFFERS);
    const move = this.#move(beginChange(state, now, retention), kind) as OfferedTransition | undefined;
    return move ?? this.#append(state, now);
  }

  #move(change: ShardChange, type: Transition['type']): Transition | undefined {
    const choice = this.#choice;
    const { state, now } = change;
    switch (type) {
      case 'append':
        return this.#append(state, now);
      case 'promote':
        return this.#promotion(state, now);
      case 'dispatch':
      case 'expire': {
        const seq = choice.chance(0.05) ? 1 + choice.below(state.numbers.nextSeq) : this.#place(state, 'enqueued');
        return seq === undefined ? undefined : { type, seq };
      }
      case 'complete':
      case 'retry':
      case 'fail':
      case 'interrupt':
      case 'block': {
        const starts = type !== 'interrupt' && choice.chance(0.35);
        const seq = starts ? this.#firstInLine(state) : this.#place(state, 'dispatched');
        return seq === undefined ? undefined : this.#ending(type, seq, starts, change);
      }
      case 'unblock':
      case 'skip': {
        const place = this.#place(state, 'blocked');
        const blocked = place === undefined ? undefined : state.line.entries.get(place);
        const kept = type === 'skip' && choice.chance(0.2) ? { keepVerdict: true } : {};
        return { type, id: blocked?.id ?? this.#anyId(), ...kept };
      }
      case 'relayed':
        return { type, count: choice.below(state.outbox.length + 1) };
      case 'cancel':
        return {
          type,
          id: choice.of([...state.places.keys()]) ?? this.#anyId(),
          ...(choice.chance(0.2) && { keepVerdict: true }),
        };
      case 'replay':
        return { type, id: choice.of([...state.letterNumbers.keys()]) ?? this.#anyId(), newId: this.#freshId() };
      case 'purge':
        return { type, id: choice.of([...state.letterNumbers.keys()]) ?? this.#anyId() };
      case 'pause':
      case 'resume': {
        const [entityType, entityId] = choice.of(this.entities) ?? ['account', 'a'];
        return choice.chance(0.4) ? { type, entityType } : { type, entityType, entityId };
      }
    }
  }

  #append(state: ShardState, now: number, isSent = false): Extract<Transition, { type: 'append' }> {
    const choice = this.#choice;
    const kind = choice.weighted({ plain: 5, dispatch: 5, delay: 2, at: 1 });
    const message = this.#envelope();
    const replaced = choice.chance(0.1) ? choice.of([...state.delayed.keys()]) : undefined;
    const recurs = choice.chance(kind === 'delay' || kind === 'at' ? 0.4 : 0.05);
    return {
      type: 'append',
      message: {
        ...message,
        ...(replaced !== undefined && { id: replaced }),
        ...(recurs && { recurrence: `{"every":${choice.below(5)}}` }),
      },
      ...((replaced !== undefined || choice.chance(0.05)) && { replace: true }),
      ...(kind === 'dispatch' && { dispatch: true }),
      ...(kind === 'dispatch' && !isSent && choice.chance(0.4) && { completes: this.#completion(state, now) }),
      ...(kind === 'delay' && { delayMs: choice.below(6_000) - 500 }),
      ...(kind === 'at' && { runAt: now + choice.below(6_000) - 2_000 }),
      ...(choice.chance(0.3) && { expiresInMs: choice.below(8_000) - 500 }),
    };
  }

  #promotion(state: ShardState, now: number): Extract<Transition, { type: 'promote' }> {
    const choice = this.#choice;
    const id = choice.of([...state.delayed.keys()]) ?? this.#anyId();
    const recurs = state.delayed.get(id)?.message.recurrence !== undefined;
    if (!choice.chance(recurs ? 0.9 : 0.05)) return { type: 'promote', id };
    const again = {
      newId: choice.chance(0.05) ? this.#anyId() : this.#freshId(),
      notBefore: now + choice.below(3_000) - 500,
      ...(choice.chance(0.3) && { overlap: true }),
    };
    return { type: 'promote', id, again };
  }

  /** What a handler sends: as an append, without a start. */
  #outgoing(state: ShardState, now: number): OutgoingMessage {
    const { dispatch: _never, ...append } = this.#append(state, now, true);
    return { targetShard: this.#choice.of([0, 0, 1, 2]) ?? 0, append };
  }

  #ending(
    type: 'complete' | 'retry' | 'fail' | 'interrupt' | 'block',
    seq: number,
    starting: boolean,
    { state, now }: ShardChange,
  ): Transition {
    const choice = this.#choice;
    const starts = starting ? { starts: true as const } : {};
    const error = {
      name: 'Error',
      message: `broke ${choice.below(100)}`,
      ...(choice.chance(0.3) && { stack: 'at', data: { n: [1, null] } }),
    };
    const kept = choice.chance(0.2) ? { keepVerdict: true } : {};
    switch (type) {
      case 'complete':
        return { type, seq, ...starts, ...this.#completion(state, now) };
      case 'retry':
        return {
          type,
          seq,
          error,
          delayMs: choice.below(4) * 1_000,
          ...starts,
          ...(!starting && choice.chance(0.2) && { unstarted: true }),
        };
      case 'interrupt':
        return { type, seq, ...kept, ...this.#interrupted(), ...(choice.chance(0.5) && { error }) };
      case 'block':
        return { type, seq, error, ...starts };
      case 'fail':
        return { type, seq, error, ...kept, ...starts };
    }
  }

  #completion(state: ShardState, now: number): Completion {
    const choice = this.#choice;
    return {
      ...(choice.chance(0.2) && { keepVerdict: true }),
      ...(choice.chance(0.5) && { reply: `{"n":${choice.below(100)}}` }),
      ...(choice.chance(0.4) && { state: choice.chance(0.25) ? null : `{"s":${choice.below(100)}}` }),
      ...(choice.chance(0.2) && { stateTtlMs: choice.below(6_000) }),
      ...(choice.chance(0.2) && {
        outgoing: Array.from({ length: choice.below(4) }, () => this.#outgoing(state, now)),
      }),
    };
  }

  #interrupted(): { readonly retry?: true; readonly block?: true } {
    const kind = this.#choice.weighted({ bury: 4, retry: 4, block: 2 });
    return kind === 'bury' ? {} : kind === 'retry' ? { retry: true } : { block: true };
  }

  #envelope(): Envelope {
    const choice = this.#choice;
    const [entityType, entityId] = choice.of(this.entities) ?? ['account', 'a'];
    return {
      id: choice.chance(0.05) ? this.#anyId() : this.#freshId(),
      kind: choice.chance(0.1) ? 'query' : 'command',
      entityType,
      entityId,
      name: choice.chance(0.5) ? 'Deposit' : 'Withdraw',
      payload: `{"n":${choice.below(1_000)}}`,
      ...(choice.chance(0.2) && { headers: { trace: `t${choice.below(10)}` } }),
      ...(choice.chance(0.3) && { messageId: choice.of(MESSAGE_IDS) }),
      ...(this.#repliesTo && choice.chance(0.3) && { replyTo: 'node-2' }),
    };
  }

  #place(state: ShardState, wanted: 'enqueued' | 'dispatched' | 'blocked'): number | undefined {
    if (wanted === 'dispatched') return this.#choice.of([...state.started]);
    const places = [...state.line.entries.values()].filter((message) => message.state === wanted);
    return this.#choice.of(places)?.seq;
  }

  /** The first of a line, if it waits. */
  #firstInLine(state: ShardState): number | undefined {
    const firsts = [...state.entities.values()].map((places) => state.line.entries.get(sortedFirst(places) ?? 0));
    return this.#choice.of(firsts.filter((message) => message?.state === 'enqueued'))?.seq;
  }

  #freshId(): string {
    this.#made += 1;
    const id = `m${this.#made}`;
    this.ids.push(id);
    return id;
  }

  #anyId(): string {
    return this.#choice.of(this.ids) ?? this.#freshId();
  }
}

/** Applies it to the change when it is legal. An illegal transition throws before it writes anything. */
function isLegal(change: ShardChange, transition: Transition): boolean {
  try {
    applyTransition(change, transition);
    return true;
  } catch (error) {
    if (error instanceof IllegalTransitionError) return false;
    throw error;
  }
}
