import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LeadershipInput, leadership } from '../../../src/cluster/leadership.js';
import { liveMember } from './records.js';

const of = (input: Partial<LeadershipInput>) =>
  leadership({ group: 'bank', serverId: 'a', live: [], assignment: undefined, leaderDebounceMs: 1_000, ...input });

describe('leadership', () => {
  it('makes the lowest serverId the master of a group that had none, at once', () => {
    const live = [liveMember('c', 0), liveMember('b', 0)];
    expect(of({ live, serverId: 'b' })).toEqual({ master: 'b', isMaster: true, term: 1, version: 1 });
    expect(of({ live, serverId: 'c' })).toMatchObject({ master: 'b', isMaster: false });
  });

  it('compares by code units: node-10 is lower than node-2, and capitals are lower than small letters', () => {
    expect(of({ live: [liveMember('node-2', 0), liveMember('node-10', 0)] }).master).toBe('node-10');
    expect(of({ live: [liveMember('a', 0), liveMember('B', 0)] }).master).toBe('B');
  });

  it('keeps a live master until a lower newcomer has been alive for the debounce', () => {
    const assignment = { term: 4, version: 9, master: 'b' };
    const live = (aliveMs: number) => [liveMember('a', aliveMs), liveMember('b', 60_000)];
    expect(of({ live: live(999), assignment }).master).toBe('b');
    expect(of({ live: live(1_000), assignment })).toEqual({ master: 'a', isMaster: true, term: 5, version: 1 });
  });

  it('follows a master that is gone, leaving, turned sender or of another group at once', () => {
    const assignment = { term: 4, version: 9, master: 'a' };
    const heirs = [liveMember('b', 0), liveMember('c', 60_000)];
    for (const gone of [
      [],
      [liveMember('a', 60_000, { state: 'leaving' })],
      [liveMember('a', 60_000, { state: 'sender' })],
      [liveMember('a', 60_000, { group: 'shop' })],
    ]) {
      expect(of({ live: [...gone, ...heirs], assignment, serverId: 'b' })).toEqual({
        master: 'b',
        isMaster: true,
        term: 5,
        version: 1,
      });
    }
  });

  it('lets a master go on in its own term with the next version, also in a new life', () => {
    const assignment = { term: 4, version: 9, master: 'a' };
    const live = [liveMember('a', 0, { incarnation: 'a-2' }), liveMember('b', 60_000)];
    expect(of({ live, assignment })).toEqual({ master: 'a', isMaster: true, term: 4, version: 10 });
  });

  it('has no master where nobody is up, and leaves other groups out', () => {
    expect(of({ live: [] })).toMatchObject({ master: undefined, isMaster: false });
    const live = [liveMember('a', 9, { state: 'leaving' }), liveMember('0', 9, { group: 'shop' })];
    expect(of({ live })).toMatchObject({ master: undefined, isMaster: false });
  });

  it('gives all that see the same one master, and a term above the stored one unless it is the stored master', () => {
    const nodes = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.nat(2_000)), {
      selector: ([id]) => id,
      minLength: 1,
    });
    const stored = fc.option(
      fc.record({ term: fc.nat(9), version: fc.nat(9), master: fc.constantFrom('a', 'b', 'c', 'x') }),
      { nil: undefined },
    );
    fc.assert(
      fc.property(nodes, stored, (members, assignment) => {
        const live = members.map(([id, aliveMs]) => liveMember(id, aliveMs));
        const views = members.map(([serverId]) => ({ serverId, ...of({ live, assignment, serverId }) }));
        expect(views.filter(({ isMaster }) => isMaster)).toHaveLength(1);
        expect(new Set(views.map(({ master }) => master)).size).toBe(1);
        const master = views.find(({ isMaster }) => isMaster)!;
        const isHigher =
          assignment === undefined ||
          master.term > assignment.term ||
          (assignment.master === master.serverId &&
            master.term === assignment.term &&
            master.version > assignment.version);
        expect(isHigher).toBe(true);
      }),
    );
  });
});
