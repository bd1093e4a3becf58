import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeRecord } from '../../../src/cluster/cluster-store.js';
import {
  isAlive,
  liveMembers,
  longDead,
  type MembershipState,
  nobodySeen,
  seen,
} from '../../../src/cluster/membership.js';
import { nodeRecord } from './records.js';

const times = { heartbeatMs: 400, nodeTTLMs: 1_500 };
const look = (state: MembershipState, atMs: number, ...nodes: NodeRecord[]): MembershipState =>
  seen(state, { nodes }, atMs);
const alive = (state: MembershipState): string[] => liveMembers(state).map(({ record }) => record.serverId);

describe('membership', () => {
  it('takes a record for alive from its first sight, however old it is', () => {
    expect(alive(look(nobodySeen(times), 5_000, nodeRecord('a', { beat: 900 })))).toEqual(['a']);
  });

  it('keeps a node alive as long as its beat changes, also backwards', () => {
    let state = nobodySeen(times);
    for (const [step, beat] of [1, 2, 3, 4, 3, 2, 5, 6].entries()) {
      state = look(state, step * 800, nodeRecord('a', { beat }));
      expect(alive(state)).toEqual(['a']);
    }
  });

  it('declares a silent node dead a heartbeat and a TTL after its beat was last seen to change, not before', () => {
    let state = look(nobodySeen(times), 0, nodeRecord('a'), nodeRecord('b'));
    for (let atMs = 400; atMs <= 1_600; atMs += 400)
      state = look(state, atMs, nodeRecord('a', { beat: atMs }), nodeRecord('b'));
    state = look(state, 1_900, nodeRecord('a', { beat: 1_900 }), nodeRecord('b'));
    expect(alive(state)).toEqual(['a', 'b']);
    state = look(state, 1_901, nodeRecord('a', { beat: 1_901 }), nodeRecord('b'));
    expect(alive(state)).toEqual(['a']);
  });

  it('counts a gap in which it did not look itself as one heartbeat', () => {
    let state = look(nobodySeen(times), 0, nodeRecord('a'));
    state = look(state, 3_600_000, nodeRecord('a'));
    expect(alive(state)).toEqual(['a']);
    for (let step = 1; step <= 3; step += 1) {
      state = look(state, 3_600_000 + step * 400, nodeRecord('a'));
      expect(alive(state)).toEqual(['a']);
    }
    state = look(state, 3_600_000 + 4 * 400, nodeRecord('a'));
    expect(alive(state)).toEqual([]);
  });

  it('takes a namesake with another incarnation for a new node, and tells that the old one left', () => {
    let state = look(nobodySeen(times), 0, nodeRecord('a'));
    state = look(state, 400, nodeRecord('a', { beat: 2 }));
    expect(state.members.get('a')).toMatchObject({ aliveMs: 400 });
    state = look(state, 800, nodeRecord('a', { incarnation: 'a-2', beat: 2 }));
    expect(state.members.get('a')).toMatchObject({ aliveMs: 0, silentMs: 0 });
    expect(state.left.map(({ incarnation }) => incarnation)).toEqual(['a-1']);
    expect(look(state, 900, nodeRecord('a', { incarnation: 'a-2', beat: 3 })).left).toEqual([]);
  });

  it('tells once who left', () => {
    const state = look(look(nobodySeen(times), 0, nodeRecord('a'), nodeRecord('b')), 400, nodeRecord('b', { beat: 2 }));
    expect(state.left.map(({ serverId }) => serverId)).toEqual(['a']);
    expect(alive(state)).toEqual(['b']);
    expect(look(state, 800, nodeRecord('b', { beat: 3 })).left).toEqual([]);
  });

  it('counts a node that comes back from the dead as alive from then', () => {
    let state = look(nobodySeen(times), 0, nodeRecord('a'));
    for (let atMs = 400; atMs <= 4_000; atMs += 400) state = look(state, atMs, nodeRecord('a'));
    expect(state.members.get('a')).toMatchObject({ aliveMs: 0, silentMs: 4_000 });
    state = look(state, 4_400, nodeRecord('a', { beat: 2 }));
    expect(state.members.get('a')).toMatchObject({ aliveMs: 0, silentMs: 0 });
    state = look(state, 4_800, nodeRecord('a', { beat: 3 }));
    expect(state.members.get('a')).toMatchObject({ aliveMs: 400 });
  });

  it('calls a node long dead after ten TTLs of silence', () => {
    let state = look(nobodySeen(times), 0, nodeRecord('a'));
    for (let atMs = 500; atMs <= 15_000; atMs += 500) state = look(state, atMs, nodeRecord('a'));
    expect(longDead(state)).toEqual([]);
    state = look(state, 15_001, nodeRecord('a'));
    expect(longDead(state).map(({ record }) => record.serverId)).toEqual(['a']);
  });

  it('never declares a node dead that was seen to beat in time, whatever the looks, and always one that stays silent', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(gaps, fc.integer({ min: 0, max: 30 }), (looks, beatsUntil) => {
        let state = nobodySeen(times);
        let atMs = 0;
        let silentLooksMs = 0;
        for (const [step, gapMs] of looks.entries()) {
          atMs += gapMs;
          const beats = step <= beatsUntil;
          state = look(state, atMs, nodeRecord('a', { beat: Math.min(step, beatsUntil) }));
          silentLooksMs = beats ? 0 : silentLooksMs + (gapMs > 800 ? 400 : gapMs);
          expect(alive(state)).toEqual(silentLooksMs <= 1_900 ? ['a'] : []);
          const member = state.members.get('a')!;
          expect(member.silentMs).toBe(silentLooksMs);
          expect(isAlive(member, times) || member.aliveMs === 0).toBe(true);
        }
      }),
    );
  });
});
