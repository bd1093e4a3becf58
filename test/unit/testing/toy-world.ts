/**
 * What the toy engine has: nodes, shards, entities with their lines, the store's counts, seeded chance, and the log. It
 * owns the state; `toy-line.ts` runs the messages of an entity, `toy-engine.ts` plays the users, crashes and time.
 */
import { type Random, seededRandom } from '../../../src/runtime/random.js';
import type { HistoryEvent, HistoryFact } from '../../../src/testing/history.js';
import type { HistoryOptions } from '../../../src/testing/history-tracks.js';
import type { DeadLetterReason, FinalState } from '../../../src/wal/transition.js';
import type { Bug } from './toy-bugs.js';

export const TOY_RULES: HistoryOptions = {
  entityTypes: {
    retrying: { maxAttempts: 3 },
    resilient: { maxAttempts: 2, onInterrupt: 'retry' },
    blocking: { maxAttempts: 1 },
    hot: { dispatchAhead: 3 },
  },
};
export const TYPES = ['plain', 'retrying', 'resilient', 'blocking', 'hot'] as const;
export const SHARDS = 4;

export interface ToyMessage {
  readonly id: string;
  readonly entity: ToyEntity;
  readonly kind: 'command' | 'query';
  readonly messageId: string | undefined;
  readonly expiresAt: number;
  readonly acceptedAt: number;
  notBefore: number;
  state: 'waiting' | 'marked' | 'running' | 'returned' | 'threw' | 'blocked' | 'gone';
  attempt: number;
  interruptions: number;
  waits: ToyWait[];
  ended?: FinalState;
}
export interface ToyWait {
  readonly call: string;
  readonly node: ToyNode;
  readonly life: number;
}
export interface ToyEntity {
  readonly entityType: (typeof TYPES)[number];
  readonly entityId: string;
  readonly shard: ToyShard;
  line: ToyMessage[];
  delayed: ToyMessage[];
  paused: boolean;
  readonly ids: Map<string, ToyMessage>;
}
export interface ToyShard {
  readonly number: number;
  epoch: number;
  commits: number;
  starts: number;
  owner: ToyNode | undefined;
}
export interface ToyNode {
  readonly name: string;
  alive: boolean;
  seq: number;
  life: number;
  /** News that this node will tell a little later. */
  later: HistoryFact[];
}

export function isMarked(message: ToyMessage): boolean {
  return (
    message.state === 'marked' ||
    message.state === 'running' ||
    message.state === 'returned' ||
    message.state === 'threw'
  );
}

export abstract class ToyWorld {
  readonly events: HistoryEvent[] = [];
  planted = 0;
  protected readonly random: Random;
  protected readonly nodes: ToyNode[] = ['a', 'b'].map((name) => ({ name, alive: false, seq: 0, life: 0, later: [] }));
  protected readonly shards: ToyShard[] = [];
  protected readonly entities: ToyEntity[] = [];
  protected readonly letters = new Map<string, { message: ToyMessage; reason: DeadLetterReason }>();
  protected readonly counts = { accepted: 0, completed: 0, failed: 0, interrupted: 0, expired: 0, cancelled: 0 };
  protected readonly openWaits = new Map<string, { wait: ToyWait; message: ToyMessage }>();
  protected readonly forgotten: ToyWait[] = [];
  protected now = 1_000;
  protected ids = 0;
  protected crashes = 0;

  constructor(
    seed: number,
    protected readonly bug: Bug | undefined,
  ) {
    this.random = seededRandom(seed);
    for (let number = 0; number < SHARDS; number += 1) {
      this.shards.push({ number, epoch: 0, commits: 0, starts: 0, owner: undefined });
    }
    for (let index = 0; index < 10; index += 1) {
      const entityType = TYPES[index % TYPES.length] as (typeof TYPES)[number];
      const shard = this.shards[index % SHARDS] as ToyShard;
      this.entities.push({
        entityType,
        entityId: `e${index}`,
        shard,
        line: [],
        delayed: [],
        paused: false,
        ids: new Map(),
      });
    }
  }

  protected log(node: ToyNode, fact: HistoryFact): void {
    if (fact.type !== 'crashed' && fact.type !== 'final') node.seq += 1;
    this.events.push({ ...fact, node: node.name, seq: node.seq, at: this.now } as HistoryEvent);
  }

  protected chance(probability: number): boolean {
    return this.random.next() < probability;
  }

  protected pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random.next() * from.length)] as T;
  }

  protected leaveStore(message: ToyMessage, state: FinalState): void {
    const { entity } = message;
    message.state = 'gone';
    message.ended = state;
    entity.line = entity.line.filter((each) => each !== message);
    entity.delayed = entity.delayed.filter((each) => each !== message);
    if (message.kind === 'query') return;
    this.counts[state] += 1;
    if (state === 'failed' || state === 'interrupted' || state === 'expired')
      this.letters.set(message.id, { message, reason: state });
  }

  protected forget(message: ToyMessage): void {
    message.state = 'gone';
    message.entity.line = message.entity.line.filter((each) => each !== message);
    this.counts.accepted -= 1;
  }

  protected finish(): void {
    const node = this.nodes[0] as ToyNode;
    const lines = () =>
      this.entities.flatMap((entity) => [...entity.line, ...entity.delayed]).filter((each) => each.kind === 'command');
    const gone = lines().find((each) => each.state === 'waiting' && each.acceptedAt === this.crashes);
    if (this.bug === 'message vanished' && gone !== undefined) {
      this.planted += 1;
      gone.entity.delayed = gone.entity.delayed.filter((each) => each !== gone);
      this.forget(gone);
    }
    if (this.bug === 'verdict not kept by the store') {
      const ended = this.events.find((event) => event.type === 'ended' && event.state === 'completed');
      if (ended?.type === 'ended') {
        this.planted += 1;
        this.logFinal(node, [...lines().map((each) => each.id), ended.id], 1);
        return;
      }
    }
    this.planted += this.forgotten.filter(({ node: waiting, life }) => waiting.alive && waiting.life === life).length;
    const off = this.bug === 'counts do not agree' ? 1 : 0;
    this.planted += off;
    this.logFinal(
      node,
      lines().map((each) => each.id),
      0,
      off,
    );
  }

  protected logFinal(node: ToyNode, pending: readonly string[], back: number, off = 0): void {
    const deadLetters = [...this.letters].map(([id, { reason }]) => ({ id, reason }));
    const counts = {
      ...this.counts,
      completed: this.counts.completed - back + off,
      pending: pending.length,
      deadLetters: deadLetters.length,
      blocked: 0,
    };
    this.log(node, { type: 'final', counts, pending, deadLetters });
  }

  /** X was accepted before the call that made Y, as the log shows it. */
  protected surelyBefore(x: ToyMessage, y: ToyMessage): boolean {
    const call = (id: string) => `c${id.slice(1)}`;
    const accepted = this.events.findIndex(
      (event) =>
        (event.type === 'accepted' || event.type === 'promoted') &&
        event.id === x.id &&
        (event.type === 'promoted' || event.notBefore === undefined),
    );
    const called = this.events.findIndex((event) => event.type === 'enqueueCalled' && event.call === call(y.id));
    const linked = this.events.some(
      (event) =>
        (event.type === 'accepted' || event.type === 'enqueueResolved') &&
        event.call === call(y.id) &&
        event.id === y.id,
    );
    return accepted >= 0 && called > accepted && linked;
  }

  protected isDue(message: ToyMessage): boolean {
    return (this.bug === 'delayed message runs early' && message.attempt === 0) || message.notBefore <= this.now;
  }

  protected commit(shard: ToyShard, owner: ToyNode, epoch = shard.epoch): void {
    shard.commits += 1;
    const commit = { shard: shard.number, epoch, number: shard.commits };
    this.log(owner, { type: 'commitCalled', ...commit });
    this.log(owner, { type: 'committed', ...commit });
  }

  protected tellAll(node: ToyNode): void {
    for (const fact of node.later.splice(0)) this.log(node, fact);
  }
}
