import { describe, expect, it } from 'vitest';
import type { ActorBinding, ActorInstance } from '../../../src/entity/actor-port.js';
import { ActorResidents, type Lodger, ResidentActor } from '../../../src/entity/actor-residents.js';
import type { Item } from '../../../src/entity/item.js';
import { ShardActors } from '../../../src/entity/shard-actors.js';
import { entityKey } from '../../../src/message/entity-key.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';

const instance: ActorInstance = { run: () => undefined, snapshot: () => undefined, kept: () => {}, restore: () => {} };
const binding = (idleTimeoutMs: number): ActorBinding => ({
  persistence: true,
  stateTtlMs: undefined,
  effects: 'any',
  idleTimeoutMs,
  wake: () => instance,
});
const SLOW = binding(10_000);
const QUICK = binding(100);

class Shard implements Lodger {
  readonly gone: string[] = [];
  readonly atWork = new Set<string>();

  isAtWork(key: string): boolean {
    return this.atWork.has(key);
  }

  passivated(key: string, reason: string): void {
    this.gone.push(`${key} ${reason}`);
  }
}

const keyOf = (id: string) => entityKey('t', id);
const resident = (id: string, shard: Shard, actor = SLOW) => new ResidentActor(keyOf(id), shard, actor, instance);

describe('the actors in memory', () => {
  it('go in the order of their last use when there are too many, whatever their idle times (I10)', () => {
    const shard = new Shard();
    const residents = new ActorResidents(3);
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((id, index) => resident(id, shard, index % 2 === 0 ? SLOW : QUICK));
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error('four');
    residents.add(a, 1);
    residents.add(b, 2);
    residents.add(c, 3);
    residents.used(a, 4);
    residents.add(d, 5);
    expect(shard.gone).toEqual([`${keyOf('b')} evicted`]);
    expect([b.isGone, a.isGone, residents.size]).toEqual([true, false, 3]);
  });

  it('stay while they are at work, and go when room was made for too many', () => {
    const shard = new Shard();
    const residents = new ActorResidents(2);
    for (const id of ['a', 'b']) shard.atWork.add(keyOf(id));
    for (const [index, id] of ['a', 'b', 'c', 'd'].entries()) residents.add(resident(id, shard), index);
    expect(shard.gone).toEqual([`${keyOf('c')} evicted`]);
    expect(residents.size).toBe(3);
    shard.atWork.clear();
    residents.add(resident('e', shard), 9);
    expect(residents.size).toBe(2);
    expect(residents.find(keyOf('e'), shard)).toBeDefined();
  });

  it('are swept by their own idle times, those at work excepted', () => {
    const shard = new Shard();
    const residents = new ActorResidents(0);
    shard.atWork.add(keyOf('busy'));
    residents.add(resident('slow', shard), 0);
    residents.add(resident('busy', shard, QUICK), 0);
    residents.add(resident('quick', shard, QUICK), 0);
    residents.add(resident('now', shard, binding(0)), 150);
    residents.sweep(150);
    expect(shard.gone).toEqual([`${keyOf('quick')} idle`]);
    residents.sweep(151);
    expect(shard.gone).toEqual([`${keyOf('quick')} idle`, `${keyOf('now')} idle`]);
    shard.atWork.clear();
    residents.sweep(20_000);
    expect(residents.size).toBe(0);
  });

  it('of a shard that goes are not the next tenure’s, in the same process too (I3)', () => {
    const [former, next] = [new Shard(), new Shard()];
    const residents = new ActorResidents(0);
    residents.add(resident('a', former), 0);
    residents.add(resident('b', next), 0);
    expect(residents.find(keyOf('a'), next)).toBeUndefined();
    residents.leave(former);
    expect(former.gone).toEqual([`${keyOf('a')} stopped`]);
    residents.add(resident('a', next), 1);
    expect(residents.find(keyOf('a'), next)).toBeDefined();
    expect(residents.find(keyOf('a'), former)).toBeUndefined();
    expect(next.gone).toEqual([]);
  });

  it('are not replaced by one that wakes late, for an owner that has lost the shard (I3)', () => {
    const residents = new ActorResidents(2);
    const told: string[] = [];
    const actorsOf = (owner: string): ShardActors =>
      new ShardActors({
        residents,
        clock: new VirtualRuntime().clock,
        now: () => 0,
        isAtWork: () => false,
        woken: () => told.push(`${owner} woken`),
        passivated: (_type, _id, reason) => told.push(`${owner} ${reason}`),
      });
    const [former, present] = [actorsOf('former'), actorsOf('present')];
    const item = { worker: { key: keyOf('a'), entityType: 't', entityId: 'a' }, actor: undefined } as unknown as Item;
    former.leave();
    present.moveIn(item, SLOW, instance, false);
    former.moveIn(item, SLOW, instance, false);
    expect(told).toEqual(['present woken']);
    expect(present.has(keyOf('a'))).toBe(true);
  });
});
