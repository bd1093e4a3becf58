/**
 * Lines in which everything meets: messages of an actor (state-only or not), plain commands, queries (volatile or durable),
 * outgoing messages, deadlines, keys, failures, blocked heads, messages that others hand in, and an operator who withdraws,
 * pauses, purges, releases, tries again and skips, directly and by offers, while the store fails, loses answers and is slow, and the process ends and is
 * killed. The store is asked what runs unmarked well before it applies a commit, as Redis is.
 *
 * What has to hold at the end is in `mixed-judge.ts`.
 */

import type { AtomicQueuesNode } from '../../../src/bus/node.js';
import type { ActorBinding, ActorCall, ActorInstance } from '../../../src/entity/actor-port.js';
import { isAtomicQueuesError } from '../../../src/message/errors.js';
import type { Random } from '../../../src/runtime/random.js';
import { createTestApp, type TestApp } from '../../../src/testing/test-app.js';
import { type OfferedTransition, StoreUnavailableError } from '../../../src/wal/wal.js';
import { foresighted } from './foresighted-wal.js';

export const TYPE = 'sum';
export const ENTITIES = ['a', 'b', 'c'];

export interface Job {
  readonly n: number;
  readonly ms: number;
  readonly failures: number;
  readonly sends: readonly { readonly n: number; readonly to: string }[];
}

export interface Sent {
  readonly n: number;
  readonly kind: 'Add' | 'Mark';
  readonly entity: string;
  readonly calledAt: number;
  readonly hasKey: boolean;
  readonly isDelayed: boolean;
  readonly job: Job;
  acceptedAt?: number;
  id?: string;
  reply?: unknown;
  refused?: string;
}

class ListActor implements ActorInstance {
  private seen: number[];
  private keptText: string;

  constructor(
    stored: string | undefined,
    private readonly world: World,
  ) {
    this.keptText = stored ?? '[]';
    this.seen = JSON.parse(this.keptText) as number[];
  }

  run({ name, message, context }: ActorCall): unknown {
    const job = message as Job;
    this.seen.push(job.n);
    if (name === 'Look')
      return job.ms === 0 ? this.seen.slice(0, -1) : this.world.after(job.ms, () => this.seen.slice(0, -1));
    this.world.starts += 1;
    for (const { n, to } of job.sends) {
      void this.world.app.bus
        .enqueue(TYPE, 'Add', to, { n, ms: 0, failures: 0, sends: [] })
        .catch((error: unknown) => this.world.refusedSends.add(`${n}: ${String(error)}`));
    }
    const end = (): number => {
      if (context.attempt <= job.failures) throw new Error(`attempt ${context.attempt} of ${job.n}`);
      return job.n;
    };
    return job.ms === 0 ? end() : this.world.after(job.ms, end);
  }

  snapshot(): string | undefined {
    const text = JSON.stringify(this.seen);
    return text === this.keptText ? undefined : text;
  }

  kept(): void {
    this.keptText = JSON.stringify(this.seen);
  }

  restore(): void {
    this.seen = JSON.parse(this.keptText) as number[];
  }
}

export class World {
  app!: TestApp;
  starts = 0;
  readonly sent: Sent[] = [];
  readonly looks: { readonly entity: string; readonly seen: readonly number[]; readonly missing: readonly number[] }[] =
    [];
  /** Numbers of the plain commands in the order in which they started first. */
  readonly marks: number[] = [];
  readonly withdrawn = new Set<number>();
  readonly refusedSends = new Set<string>();
  /** What a store that trusts its owner would have been asked to do, and must not. */
  readonly wrongWishes: string[] = [];
  private next = 1;
  private tick = 0;
  private offers = 0;
  private life = 0;

  constructor(
    private readonly random: Random,
    readonly plan: {
      readonly effects: 'any' | 'state';
      readonly onFailure: 'dead-letter' | 'block';
      readonly onInterrupt: 'dead-letter' | 'retry';
      readonly queries: 'volatile' | 'durable';
      readonly maxAttempts: number;
      readonly dispatchAhead: number;
      readonly residents: number;
      /** Whether waiting messages and dead letters are purged. */
      readonly removes: boolean;
    },
  ) {}

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random.next() * values.length)] as T;
  }

  /** Resolves after virtual time; never, when the process is killed meanwhile. */
  after<T>(ms: number, act: () => T): Promise<T> {
    const { life } = this;
    return new Promise((resolve, reject) => {
      this.app.runtime.timers.set(() => {
        if (life !== this.life) return;
        try {
          resolve(act());
        } catch (error) {
          reject(error as Error);
        }
      }, ms);
    });
  }

  async begin(): Promise<void> {
    const { plan } = this;
    const binding: ActorBinding = {
      persistence: true,
      stateTtlMs: undefined,
      effects: plan.effects,
      outbox: 'atomic',
      idleTimeoutMs: 20,
      wake: (_type, _id, stored) => new ListActor(stored, this),
    };
    const setup = (node: AtomicQueuesNode): void => {
      const run = (): never => {
        throw new Error('An actor runs its messages itself.');
      };
      node.addHandler(TYPE, 'Add', { kind: 'command', label: 'Add', run, actor: binding });
      node.addHandler(TYPE, 'Look', { kind: 'query', label: 'Look', run, actor: binding });
      node.handle(TYPE, 'Mark', (message, context) => {
        const job = message as Job;
        if (!this.marks.includes(job.n)) this.marks.push(job.n);
        const end = (): number => {
          if (context.attempt <= job.failures) throw new Error(`attempt ${context.attempt} of ${job.n}`);
          return job.n;
        };
        return job.ms === 0 ? end() : this.after(job.ms, end);
      });
    };
    this.app = await createTestApp({
      config: {
        maxResidentActors: plan.residents,
        entities: {
          [TYPE]: {
            onFailure: plan.onFailure,
            onInterrupt: plan.onInterrupt,
            queries: plan.queries,
            dispatchAhead: plan.dispatchAhead,
            outbox: 'atomic',
            retry: { maxAttempts: plan.maxAttempts, backoffDelay: 5 },
          },
        },
      },
      setup,
      wrapWal: (wal) =>
        foresighted(
          wal,
          () => this.app.store,
          () => this.slowly(),
          (wish) => this.wrongWishes.push(wish),
        ),
      start: false,
    });
    await this.app.drive(this.app.node.start());
  }

  private slow = false;
  private slowly(): Promise<void> {
    if (!this.slow || this.random.next() < 0.3) return Promise.resolve();
    const ms = 1 + Math.floor(this.random.next() * 4);
    return new Promise((resolve) => void this.app.runtime.timers.set(resolve, ms));
  }

  private now(): number {
    this.tick += 1;
    return this.tick;
  }

  private add(): void {
    const entity = this.pick(ENTITIES);
    const kind = this.pick(['Add', 'Add', 'Add', 'Add', 'Mark'] as const);
    const n = this.next;
    this.next += 1;
    const sends = this.pick([0, 0, 0, 1, 3]);
    const job: Job = {
      n,
      ms: this.pick([0, 0, 0, 0, 3, 12]),
      failures: this.pick([0, 0, 0, 0, 1, 9]),
      sends:
        kind === 'Add' ? Array.from({ length: sends }, (_, k) => ({ n: n * 10_000 + k, to: this.pick(ENTITIES) })) : [],
    };
    const hasKey = this.random.next() < 0.3;
    const isDelayed = this.random.next() < 0.1;
    const note: Sent = { n, kind, entity, calledAt: this.now(), hasKey, isDelayed, job };
    this.sent.push(note);
    const options = {
      ...(hasKey && { messageId: `m${n}` }),
      ...(isDelayed && { delayMs: this.pick([1, 10]) }),
      ...(this.random.next() < 0.15 && { expiresInMs: this.pick([1, 3, 10, 30]) }),
    };
    if (!hasKey && !isDelayed && this.random.next() < 0.1) {
      this.handIn(note);
      return;
    }
    const { bus } = this.app;
    if (this.random.next() < 0.5) {
      bus.enqueueAndWait(TYPE, kind, entity, job, { ...options, timeoutMs: 0 }).then(
        (reply) => {
          note.reply = reply;
        },
        (error: unknown) => {
          note.refused = isAtomicQueuesError(error) ? error.code : String(error);
        },
      );
    } else {
      bus.enqueue(TYPE, kind, entity, job, options).then(
        ({ id }) => {
          note.id = id;
          note.acceptedAt = this.now();
        },
        () => {},
      );
    }
  }

  /** As another process does: it is accepted when the offer is durable, and the owner finds it with its next commit. */
  private handIn(note: Sent): void {
    const { n, kind, entity, job } = note;
    const message = {
      kind: 'command',
      entityType: TYPE,
      entityId: entity,
      name: kind,
      payload: JSON.stringify(job),
    } as const;
    this.offers += 1;
    const transition = { type: 'append', message: { ...message, id: `handed.${n}` } } as const;
    this.app.wal.wal.offer(0, [{ session: 'cli', number: this.offers, transition }]).then(
      () => {
        note.id = `handed.${n}`;
        note.acceptedAt = this.now();
      },
      () => {},
    );
  }

  private look(): void {
    const entity = this.pick(ENTITIES);
    const ms = this.pick([0, 0, 5]);
    const missing = this.sent
      .filter((each) => each.entity === entity && typeof each.reply === 'number' && each.kind === 'Add')
      .map(({ n }) => n);
    this.app.bus.enqueueAndWait(TYPE, 'Look', entity, { n: -1, ms, failures: 0, sends: [] }, { timeoutMs: 0 }).then(
      (seen) => this.looks.push({ entity, seen: seen as number[], missing }),
      () => {},
    );
  }

  private async operate(): Promise<void> {
    const { app } = this;
    const { operations } = app.node.engine;
    const quiet = (promise: Promise<unknown>): void => void promise.catch(() => {});
    const known = this.sent.filter(({ id }) => id !== undefined);
    const offer = (transition: OfferedTransition): void => {
      this.offers += 1;
      quiet(app.wal.wal.offer(0, [{ session: 'cli', number: this.offers, transition }]));
    };
    switch (
      this.pick([
        'cancel',
        'cancel',
        'offerCancel',
        'offerCancel',
        'pause',
        'resume',
        'resume',
        'resume',
        'offerPause',
        'purge',
        'release',
        'blocked',
        'offerBlocked',
        'replay',
      ] as const)
    ) {
      case 'cancel': {
        const { n, id } = this.pick(known.slice(-6)) ?? {};
        if (id !== undefined && n !== undefined)
          quiet(app.bus.cancel(id).then((done) => void (done && this.withdrawn.add(n))));
        break;
      }
      case 'offerCancel': {
        const { id } = this.pick(known.slice(-6)) ?? {};
        if (id !== undefined) offer({ type: 'cancel', id });
        break;
      }
      case 'pause':
        quiet(app.bus.forEntity(TYPE, this.pick(ENTITIES)).pause());
        break;
      case 'resume':
        for (const entity of ENTITIES) quiet(app.bus.forEntity(TYPE, entity).resume());
        break;
      case 'offerPause': {
        const entityId = this.pick(ENTITIES);
        offer({ type: this.pick(['pause', 'resume'] as const), entityType: TYPE, entityId });
        break;
      }
      case 'purge':
        if (this.plan.removes && this.random.next() < 0.4) quiet(app.bus.forEntity(TYPE, this.pick(ENTITIES)).purge());
        break;
      case 'release': {
        const running = this.pick(app.node.engine.running());
        if (running !== undefined) operations.release(running.id);
        break;
      }
      case 'replay': {
        const [letter] = await app.wal.wal.deadLetters(0, { limit: 1 });
        if (letter !== undefined && this.plan.removes) offer({ type: 'purge', id: letter.id });
        break;
      }
      default: {
        const [head] = await app.wal.wal.blocked(0, 0, 1);
        if (head === undefined) break;
        if (this.random.next() < 0.3) offer({ type: this.pick(['unblock', 'skip'] as const), id: head.id });
        else {
          quiet(operations.unblock(head.id));
          if (this.random.next() < 0.5) quiet(operations.skip(head.id));
        }
      }
    }
  }

  private async disturb(): Promise<void> {
    const { wal } = this.app;
    switch (
      this.pick(['before', 'after', 'after', 'states', 'slow', 'fast', 'crash', 'stop', 'doubt', 'doubt'] as const)
    ) {
      case 'before':
        wal.fail('commit', { times: this.pick([1, 2]) });
        break;
      case 'after':
        wal.fail('commit', { when: 'after', times: this.pick([1, 2]) });
        break;
      case 'states':
        wal.fail('actorStates', { error: new StoreUnavailableError('planned', 'no', true) });
        break;
      case 'slow':
        this.slow = true;
        break;
      case 'doubt':
        await this.doubt();
        break;
      case 'fast':
        this.slow = false;
        break;
      case 'crash':
        if (this.random.next() < 0.5) break;
        this.life += 1;
        this.app.crash();
        await this.again();
        break;
      default:
        if (this.random.next() < 0.5) break;
        wal.heal();
        await this.app.drive(this.app.node.stop());
        this.life += 1;
        await this.again();
    }
  }

  /** The owner is not sure for a while that it may start anything, as one whose lease is nearly over. */
  private async doubt(): Promise<void> {
    const { owner } = this.app.node;
    Object.defineProperty(owner, 'startsMessages', { get: () => false, configurable: true });
    owner.advanceAll();
    if (this.random.next() < 0.5) await this.app.advance(this.pick([0, 1, 3]));
    Reflect.deleteProperty(owner, 'startsMessages');
    owner.advanceAll();
  }

  private async again(): Promise<void> {
    const slow = this.slow;
    this.slow = false;
    this.app = await this.app.restart({ start: false });
    await this.app.drive(this.app.node.start());
    this.slow = slow;
  }

  async run(steps: number): Promise<void> {
    await this.begin();
    for (let step = 0; step < steps; step += 1) {
      const chance = this.random.next();
      if (chance < 0.5) for (let count = this.pick([1, 1, 4, 8]); count > 0; count -= 1) this.add();
      else if (chance < 0.62) this.look();
      else if (chance < 0.85) await this.operate();
      else if (chance < 0.91) await this.disturb();
      if (this.random.next() < 0.6) await this.app.advance(this.pick([0, 1, 1, 1, 5, 5, 120]));
    }
    this.slow = false;
    this.app.wal.heal();
    await this.app.advance(500);
    for (let round = 0; round < 400; round += 1) {
      for (const entity of ENTITIES) await this.app.drive(this.app.bus.forEntity(TYPE, entity).resume());
      await this.app.advance(100);
      const blocked = await this.app.wal.wal.blocked(0, 0, 100);
      if (blocked.length === 0 && (await this.app.wal.wal.counts(0)).pending === 0) break;
      for (const { id } of blocked) await this.app.drive(this.app.node.engine.operations.skip(id));
    }
    await this.app.advance(1_000);
  }
}
