/**
 * Who places the shards of a group: the live `up` node with the lowest `serverId`. Pure.
 *
 * "Lowest" is by plain UTF-16 code units, as `<` compares strings and as everyone finds the same: `node-10` is lower than
 * `node-2`. Numbers that are to count need leading zeros.
 *
 * A master that is dead, leaving or gone is followed at once. As long as it is there, a node with a lower `serverId` takes
 * over only when it has been alive for `leaderDebounceMs`, so that a node that comes and goes does not move the office
 * with it. Two nodes may believe for a moment that they are the master: the store takes only the higher term, and nothing
 * that a master does can break more than the spread of the work.
 */
import type { Assignment } from './cluster-store.js';
import type { Member } from './membership.js';

export interface LeadershipInput {
  readonly group: string;
  /** Who asks. */
  readonly serverId: string;
  /** Everyone alive (`liveMembers`); other groups are left out here. */
  readonly live: readonly Member[];
  /** What the store has for the group. */
  readonly assignment: Pick<Assignment, 'term' | 'version' | 'master'> | undefined;
  /** Milliseconds that a newcomer must be alive before it takes over from a live master. */
  readonly leaderDebounceMs: number;
}

export interface Leadership {
  /** `serverId` of the master; undefined when the group has no live node that can be it. */
  readonly master: string | undefined;
  readonly isMaster: boolean;
  /** What the asking node's next assignment carries, if it is the master: a new master begins a new term. */
  readonly term: number;
  readonly version: number;
}

export function leadership(input: LeadershipInput): Leadership {
  const { assignment, serverId } = input;
  const master = masterOf(input);
  const continues = assignment?.master === serverId;
  return {
    master,
    isMaster: master === serverId,
    term: assignment === undefined ? 1 : continues ? assignment.term : assignment.term + 1,
    version: continues ? assignment.version + 1 : 1,
  };
}

function masterOf({ group, live, assignment, leaderDebounceMs }: LeadershipInput): string | undefined {
  const candidates = live.filter(({ record }) => record.group === group && record.state === 'up');
  const incumbent = candidates.find(({ record }) => record.serverId === assignment?.master);
  const eligible =
    incumbent === undefined
      ? candidates
      : candidates.filter((member) => member === incumbent || member.aliveMs >= leaderDebounceMs);
  return lowest(eligible.map(({ record }) => record.serverId));
}

function lowest(serverIds: readonly string[]): string | undefined {
  return serverIds.reduce<string | undefined>((low, id) => (low === undefined || id < low ? id : low), undefined);
}
