/** The relay of an outbox against a store in memory: once, in order, with bounded memory, whatever is lost on the way. */
import { describe, expect, it } from 'vitest';
import { Outbox } from '../../../src/entity/outbox.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { FaultyWal } from '../../../src/testing/faulty-wal.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';
import type { Participant } from '../../../src/wal/group-commit.js';
import { MemoryStore, MemoryWal } from '../../../src/wal/memory/memory-wal.js';
import { type OutgoingMessage, outboxSession, type Sent, type Transition } from '../../../src/wal/transition.js';
import { StoreUnavailableError } from '../../../src/wal/wal.js';

/** The owner of shard 0, as far as its outbox needs one: it commits one transition after the other. */
class Source {
  readonly outbox: Outbox;
  readonly lost: [number, number][] = [];
  epoch = 0;
  private number = 0;
  private commits: Promise<void> = Promise.resolve();
  private isDead = false;

  constructor(
    readonly world: World,
    readonly name: string,
    depthMax = 0,
  ) {
    const { clock, timers } = world.runtime;
    this.outbox = new Outbox({
      wal: world.wal,
      clock,
      timers,
      logger: silentLogger,
      shard: 0,
      depthMax,
      commit: (transition, participant) => void this.commit([transition], participant),
      arrived: () => {},
      ownerOf: () => undefined,
      offeredHere: () => {},
      changed: () => {},
      lost: (...lost) => this.lost.push(lost),
      detached: (callback) => callback(),
    });
  }

  async open(): Promise<this> {
    this.epoch = (await this.world.wal.open(0, this.name)).epoch;
    this.outbox.start();
    return this;
  }

  /** Completes a message that sends these numbers to their targets. */
  async send(...to: readonly (readonly [target: number, n: number])[]): Promise<void> {
    const { world } = this;
    const id = `source-${world.freshNumber()}`;
    const message = { id, kind: 'command', entityType: 'a', entityId: 's', name: 'Go', payload: '{}' } as const;
    const { outcomes } = await this.commitNow([{ type: 'append', message, dispatch: true }]);
    const seq = outcomes[0]?.type === 'appended' ? outcomes[0].seq : 0;
    const outgoing = to.map(([target, n]) => this.outgoing(target, n));
    const completed = await this.commitNow([{ type: 'complete', seq, outgoing }]);
    const [outcome] = completed.outcomes;
    if (outcome?.type === 'sent') this.outbox.sent(outcome.sent as readonly Sent[]);
  }

  /** As `kill -9`. */
  die(): void {
    this.isDead = true;
    this.outbox.stop();
  }

  private outgoing(targetShard: number, n: number): OutgoingMessage {
    const id = `${targetShard}-${n}`;
    const message = { id, kind: 'command', entityType: 'b', entityId: 't', name: 'Take', payload: `${n}` } as const;
    return { targetShard, append: { type: 'append', message } };
  }

  private commit(transitions: readonly Transition[], participant: Participant): Promise<void> {
    this.commits = this.commits.then(async () => {
      if (this.isDead) return;
      const answer = await this.commitNow(transitions);
      answer.outcomes.forEach((outcome, index) => {
        participant.committed(outcome, transitions[index] as Transition, answer.now);
      });
    });
    return this.commits;
  }

  private commitNow(transitions: readonly Transition[]) {
    this.number += 1;
    const { epoch, number, name: incarnation } = this;
    return this.world.inner.commit({ shard: 0, epoch, incarnation, number, transitions });
  }
}

class World {
  readonly runtime = new VirtualRuntime({ seed: 3 });
  readonly store = new MemoryStore({ shardCount: 4 });
  readonly inner = new MemoryWal({ clock: this.runtime.clock, store: this.store, defersAppends: true });
  readonly wal = new FaultyWal(this.inner);
  private fresh = 0;

  constructor() {
    void this.inner.start();
  }

  freshNumber(): number {
    this.fresh += 1;
    return this.fresh;
  }

  source(name: string, depthMax?: number): Promise<Source> {
    return new Source(this, name, depthMax).open();
  }

  /** Opens a target and takes everything in that was offered to it; what stands in its line, in order. */
  async arrived(shard: number): Promise<number[]> {
    const { inner } = this;
    const { epoch } = await inner.open(shard, `target-${shard}`);
    for (let number = 1; this.store.shard(shard).inbox.length > 0 || number === 1; number += 1)
      await inner.commit({ shard, epoch, incarnation: `target-${shard}`, number, transitions: [] });
    const heads = await inner.scan(shard, 0, 100_000);
    const messages = await inner.load(
      shard,
      heads.map(({ seq }) => seq),
    );
    return messages.map(({ payload }) => Number(payload));
  }

  get left(): number {
    return this.store.shard(0).outbox.length;
  }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('the relay of an outbox', () => {
  it('brings messages to their shards in order and takes them out (M15)', async () => {
    const world = new World();
    const source = await world.source('one');
    for (const n of upTo(300)) await source.send([1, n], [2, n]);
    await world.runtime.advance(100);
    expect(await world.arrived(1)).toEqual(upTo(300));
    expect(await world.arrived(2)).toEqual(upTo(300));
    expect(world.left).toBe(0);
    expect(source.outbox.isIdle).toBe(true);
  });

  it('reads nothing back of what it sends itself, and has one call on its way to a target', async () => {
    const world = new World();
    const source = await world.source('one');
    await world.runtime.advance(10);
    world.wal.fail('outbox', { times: 1_000 });
    const open = world.wal.hold('offer');
    let calls = 0;
    const { offer } = world.inner;
    world.inner.offer = (...args) => {
      calls += 1;
      return offer.apply(world.inner, args);
    };
    for (const n of upTo(150)) await source.send([1, n]);
    open();
    await world.runtime.advance(100);
    expect(await world.arrived(1)).toEqual(upTo(150));
    expect(calls).toBeLessThanOrEqual(4);
    expect(world.left).toBe(0);
  });

  it.each(['before', 'after'] as const)(
    'sends again what failed %s the store did it, and it arrives once',
    async (when) => {
      const world = new World();
      const source = await world.source('one');
      for (const round of [0, 1, 2, 3]) {
        world.wal.fail('offer', { when, times: 3 });
        for (const n of upTo(20)) await source.send([1, round * 20 + n]);
        await world.runtime.advance(5_000);
      }
      expect(await world.arrived(1)).toEqual(upTo(80));
      expect(world.left).toBe(0);
    },
  );

  it('goes on with what a former owner left, page by page, each once', async () => {
    const world = new World();
    const former = await world.source('one');
    await world.runtime.advance(10);
    world.wal.fail('offer', { when: 'after', times: 1_000_000 });
    for (const n of upTo(1_300)) await former.send([1, n], [2, n]);
    await world.runtime.advance(50);
    former.die();
    world.wal.heal();
    expect(world.left).toBe(2_600);
    const next = await world.source('two');
    for (const n of upTo(100)) await next.send([1, 1_300 + n]);
    await world.runtime.advance(1_000);
    expect(await world.arrived(1)).toEqual(upTo(1_400));
    expect(await world.arrived(2)).toEqual(upTo(1_300));
    expect(world.left).toBe(0);
  });

  it('lets no target hold up another, and holds a bounded part of a long outbox (I9, I10)', async () => {
    const world = new World();
    const source = await world.source('one');
    const { offer } = world.inner;
    let isShut = true;
    world.inner.offer = async (shard, ...rest) => {
      if (shard === 1 && isShut) throw new StoreUnavailableError('shut', 'no', true);
      return offer.call(world.inner, shard, ...rest);
    };
    for (const n of upTo(6_000)) {
      await source.send([1, n], [2, n]);
      if (n % 100 === 0) await world.runtime.advance(1);
    }
    await world.runtime.advance(1_000);
    expect((await world.arrived(2)).length).toBeGreaterThan(3_000);
    const { held } = (source.outbox as unknown as { window: { held: number } }).window;
    expect(held).toBeLessThanOrEqual(4_000);
    isShut = false;
    await world.runtime.advance(60_000);
    expect(await world.arrived(1)).toEqual(upTo(6_000));
    expect(await world.arrived(2)).toEqual(upTo(6_000));
    expect(world.left).toBe(0);
  });

  it('waits while a target is full, and refuses to send more than may wait', async () => {
    const world = new World();
    const source = await world.source('one', 5);
    for (const n of upTo(12)) await source.send([1, n]);
    await world.runtime.advance(10_000);
    expect(world.store.shard(1).inbox).toHaveLength(5);
    expect(() => source.outbox.admit({ entityType: 'b' })).toThrow(/7 outgoing messages of shard 0 wait/);
    source.die();
    const patient = await world.source('two');
    await world.runtime.advance(1_000);
    expect(await world.arrived(1)).toEqual(upTo(12));
    expect(patient.outbox.isIdle).toBe(true);
  });

  it('fills the gap when the store has lost what a target had acknowledged, says so, and goes on', async () => {
    const world = new World();
    const source = await world.source('one');
    for (const n of upTo(5)) await source.send([1, n]);
    await world.runtime.advance(100);
    expect(world.left).toBe(0);
    // The server of the target came back with the state of a moment ago.
    const state = world.store.shard(1);
    state.inbox = state.inbox.slice(0, 2);
    state.offered.set(outboxSession(0, source.epoch), 2);
    for (const n of [6, 7]) await source.send([1, n]);
    await world.runtime.advance(5_000);
    expect(source.lost).toEqual([[1, 5]]);
    expect(await world.arrived(1)).toEqual([1, 2, 6, 7]);
    await source.send([1, 8]);
    await world.runtime.advance(100);
    expect(source.lost).toHaveLength(1);
    expect(world.left).toBe(0);
  });

  it('stops at once, and leaves the rest to the next owner', async () => {
    const world = new World();
    const source = await world.source('one');
    await world.runtime.advance(10);
    const open = world.wal.hold('offer');
    await source.send([1, 1]);
    await world.runtime.settle();
    source.die();
    open();
    await world.runtime.advance(1_000);
    expect(source.outbox.isIdle).toBe(true);
    expect(world.left).toBe(1);
    expect(world.runtime.pending).toEqual({ timers: 0, deferred: 0 });
    await world.source('two');
    await world.runtime.advance(1_000);
    expect(await world.arrived(1)).toEqual([1]);
    expect(world.left).toBe(0);
  });
});
