/**
 * Makes up commits for the generated sequences: from the state of the model it picks moves that are mostly legal, and
 * tries each on the model before it goes into the commit. Everything comes from the seeded source, so that one seed is
 * one sequence whatever the adapter.
 */
import type { Envelope } from '../message/envelope.js';
import type { Random } from '../runtime/random.js';
import { beginChange, type ShardChange, undoChange } from '../wal/shard-change.js';
import { type ShardState, takeOffers } from '../wal/shard-state.js';
import { applyTransition } from '../wal/shard-transitions.js';
import type { Transition } from '../wal/transition.js';
import { IllegalTransitionError, type OfferedTransition, type RetentionOptions } from '../wal/wal.js';

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
};

const OFFERS: Readonly<Record<OfferedTransition['type'], number>> = {
  append: 12,
  cancel: 3,
  replay: 2,
  purge: 1,
  pause: 1,
  resume: 2,
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
  legal(state: ShardState, now: number, retention: RetentionOptions, length: number): Transition[] {
    const change = beginChange(state, now, retention);
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
      { type: 'unblock', seq: place },
      { type: 'append', message: this.#envelope(), dispatch: true, delayMs: 10 },
      { type: 'append', message: this.#envelope(), runAt: now + 5, delayMs: 10 },
    ];
    const chosen = this.#choice.of(wrong);
    if (chosen !== undefined) transitions.splice(this.#choice.below(transitions.length + 1), 0, chosen);
    return transitions;
  }

  offered(state: ShardState, now: number, retention: RetentionOptions): OfferedTransition {
    const kind = this.#choice.weighted(OFFERS);
    const move = this.#move(beginChange(state, now, retention), kind) as OfferedTransition | undefined;
    return move ?? this.#append(now);
  }

  #move(change: ShardChange, type: Transition['type']): Transition | undefined {
    const choice = this.#choice;
    const { state, now } = change;
    switch (type) {
      case 'append':
        return this.#append(now);
      case 'promote':
        return { type, id: choice.of([...state.delayed.keys()]) ?? this.#anyId() };
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
        const seq = this.#place(state, 'dispatched');
        return seq === undefined ? undefined : this.#ending(type, seq);
      }
      case 'unblock':
      case 'skip': {
        const seq = this.#place(state, 'blocked');
        return seq === undefined ? undefined : { type, seq };
      }
      case 'cancel':
        return { type, id: choice.of([...state.places.keys()]) ?? this.#anyId() };
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

  #append(now: number): Extract<Transition, { type: 'append' }> {
    const choice = this.#choice;
    const kind = choice.weighted({ plain: 5, dispatch: 5, delay: 2, at: 1 });
    return {
      type: 'append',
      message: this.#envelope(),
      ...(kind === 'dispatch' && { dispatch: true }),
      ...(kind === 'delay' && { delayMs: choice.below(6_000) - 500 }),
      ...(kind === 'at' && { runAt: now + choice.below(6_000) - 2_000 }),
      ...(choice.chance(0.3) && { expiresInMs: choice.below(8_000) - 500 }),
    };
  }

  #ending(type: 'complete' | 'retry' | 'fail' | 'interrupt' | 'block', seq: number): Transition {
    const choice = this.#choice;
    const error = {
      name: 'Error',
      message: `broke ${choice.below(100)}`,
      ...(choice.chance(0.3) && { stack: 'at', data: { n: [1, null] } }),
    };
    const kept = choice.chance(0.2) ? { keepVerdict: true } : {};
    switch (type) {
      case 'complete':
        return {
          type,
          seq,
          ...kept,
          ...(choice.chance(0.5) && { reply: `{"n":${choice.below(100)}}` }),
          ...(choice.chance(0.3) && { state: choice.chance(0.25) ? null : `{"s":${choice.below(100)}}` }),
          ...(choice.chance(0.15) && {
            outgoing: [0, 1, 0].map((targetShard) => ({ targetShard, message: this.#envelope() })),
          }),
        };
      case 'retry':
        return { type, seq, error, delayMs: choice.below(4) * 1_000, ...(choice.chance(0.2) && { unstarted: true }) };
      case 'interrupt':
        return { type, seq, ...kept, ...(choice.chance(0.4) && { retry: true }), ...(choice.chance(0.5) && { error }) };
      case 'block':
        return { type, seq, error };
      case 'fail':
        return { type, seq, error, ...kept };
    }
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
