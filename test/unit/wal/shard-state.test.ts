/** The pure state machine: what the contract suite cannot see from outside. */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/runtime/random.js';
import { Choice, CommitGenerator } from '../../../src/testing/wal-contract-generator.js';
import { ContractClock, contractMessage } from '../../../src/testing/wal-contract-shard.js';
import { applyCommit, applyOffers, emptyShard, openShard, type ShardState } from '../../../src/wal/shard-state.js';
import type { Transition } from '../../../src/wal/transition.js';
import { IllegalTransitionError, StaleEpochError } from '../../../src/wal/wal.js';

const retention = { entryTtlMs: 5_000, verdictsMax: 4 };

/** The state without the slack of its lists, for comparing. */
function meaning(state: ShardState): unknown {
  const tight = <T>(list: { items: T[]; head: number }): T[] => list.items.slice(list.head);
  const { line, letters, entities, delayedTimes, verdictTimes, actorStateTimes, ...rest } = structuredClone(state);
  return {
    ...rest,
    line: [line.entries, line.order.filter((number) => line.entries.has(number))],
    letters: [letters.entries, letters.order.filter((number) => letters.entries.has(number))],
    entities: new Map([...entities].map(([key, places]) => [key, tight(places)])),
    delayedTimes: tight(delayedTimes),
    verdictTimes: tight(verdictTimes),
    actorStateTimes: tight(actorStateTimes),
  };
}

/** A state after a made-up life, and the generator that made it. */
function grown(seed: number) {
  const clock = new ContractClock();
  const choice = new Choice(seededRandom(seed));
  const generator = new CommitGenerator(choice);
  const state = emptyShard();
  const { epoch } = openShard(state, 'owner');
  let offers = 0;
  const commit = (transitions: readonly Transition[]) =>
    applyCommit(
      state,
      { epoch, incarnation: 'owner', number: state.commitNumber + 1, transitions },
      clock.nowMs,
      retention,
    );
  const offer = (): void => {
    offers += 1;
    applyOffers(state, [
      { session: 's', number: offers, transition: generator.offered(state, clock.nowMs, retention) },
    ]);
  };
  for (let step = 0; step < 30; step++) {
    clock.nowMs += choice.below(800);
    if (choice.chance(0.3)) offer();
    commit(generator.legal(state, clock.nowMs, retention, 6));
  }
  return { state, generator, commit, offer, clock };
}

describe('ShardState', () => {
  it('is to the last index as it was after a refused commit (all or nothing)', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { state, generator, commit, offer, clock } = grown(seed);
      offer();
      const before = meaning(state);
      const transitions = generator.legal(state, clock.nowMs, retention, 12);
      expect(meaning(state), `seed ${seed}: trying moves leaves no trace`).toEqual(before);
      expect(() => commit([...transitions, { type: 'complete', seq: 100_000 }])).toThrow(IllegalTransitionError);
      expect(meaning(state), `seed ${seed}`).toEqual(before);
    }
  });

  it('gives the same answers and the same state for the same input (deterministic)', () => {
    const left = grown(5);
    const right = grown(5);
    expect(meaning(left.state)).toEqual(meaning(right.state));
    expect(left.state.lastAnswer).toEqual(right.state.lastAnswer);
  });

  it('is plain data: a structured clone goes on as the original does', () => {
    const { state, generator, commit, clock } = grown(9);
    const copy = structuredClone(state);
    const transitions = generator.legal(state, clock.nowMs, retention, 8);
    const answer = commit(transitions);
    const request = { epoch: copy.epoch, incarnation: 'owner', number: copy.commitNumber + 1, transitions };
    expect(applyCommit(copy, request, clock.nowMs, retention)).toEqual(answer);
    expect(meaning(copy)).toEqual(meaning(state));
  });

  it('keeps nothing of entities and messages that are gone (I10)', () => {
    const state = emptyShard();
    const { epoch } = openShard(state, 'owner');
    for (let number = 1; number <= 5_000; number++) {
      const message = contractMessage(`m${number}`, `e${number}`);
      const transitions: readonly Transition[] = [
        { type: 'append', message, dispatch: true },
        { type: 'complete', seq: number },
      ];
      applyCommit(state, { epoch, incarnation: 'owner', number, transitions }, number, retention);
    }
    expect([state.entities.size, state.places.size, state.line.entries.size, state.started.size]).toEqual([0, 0, 0, 0]);
    expect(state.line.order.length).toBeLessThan(100);
  });

  it('jumps to a higher epoch when the store must, and never goes back (I6)', () => {
    const state = emptyShard(3);
    expect(openShard(state, 'a', 500).epoch).toBe(500);
    expect(openShard(state, 'b', 20).epoch).toBe(501);
    expect(() =>
      applyCommit(state, { epoch: 500, incarnation: 'a', number: 1, transitions: [] }, 0, retention),
    ).toThrow(StaleEpochError);
  });

  it('works through a line of 50,000 messages of one entity in linear time', () => {
    const state = emptyShard();
    const { epoch } = openShard(state, 'owner');
    const size = 50_000;
    let number = 0;
    const commit = (transitions: readonly Transition[]) => {
      number += 1;
      return applyCommit(state, { epoch, incarnation: 'owner', number, transitions }, 0, retention);
    };
    commit(
      Array.from(
        { length: size },
        (_, index) => ({ type: 'append', message: contractMessage(`m${index}`, 'hot') }) as const,
      ),
    );
    const ends = Array.from({ length: size }, (_, index) => [
      { type: 'dispatch', seq: index + 1 } as const,
      { type: 'complete', seq: index + 1 } as const,
    ]);
    commit(ends.flat());
    expect(state.line.entries.size).toBe(0);
  });
});
