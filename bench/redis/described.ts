/**
 * The systems that are compared: what each guarantees, and what makes its rows unfair, in either direction. Only words and
 * numbers, so that nothing of a system is loaded where it is not measured.
 */
import type { System } from './system.js';
import { versionOf } from './versions.js';

export interface DescribedSystem {
  readonly name: string;
  /** Handles the messages of an entity in the order of their acceptance: checked, and a row that breaks it is invalid. */
  readonly inOrder: boolean;
  /** Keeps messages until they were handled, also when the process dies. */
  readonly durable: boolean;
  readonly guarantees: string;
  readonly unfair: string;
  /** Messages of one `redis-fire` run in full mode; a fifth in quick mode. */
  readonly fireMessages: number;
  readonly packages: readonly string[];
  readonly load?: (() => Promise<System>) | undefined;
}

export const OURS = 'atomic-queues';
export const OURS_AHEAD = 'atomic-queues-ahead';
export const OURS_ACTORS = 'atomic-queues-actors';
export const OURS_STATE_ONLY = 'atomic-queues-state-only';
export const SCRIPT_LOOP = 'script-loop';
export const BARE_RTT = 'bare-commit-rtt';

const described: readonly DescribedSystem[] = [
  {
    name: OURS,
    inOrder: true,
    durable: true,
    guarantees:
      'durable when accepted, in order and one at a time for each entity, started at most once, over any number of nodes',
    unfair:
      'For it: many small steps travel in one script call, which needs many messages under way. Against it: it alone marks ' +
      'each message durably as started, fences stale owners and stores every verdict; its figure includes the enqueueing, ' +
      'while those of the queues beside it are their processing alone.',
    fireMessages: 100_000,
    packages: ['ioredis'],
    load: async () => (await import('./systems/atomic-queues.js')).atomicQueues,
  },
  {
    name: OURS_AHEAD,
    inOrder: true,
    durable: true,
    guarantees:
      'as atomic-queues, with dispatchAhead 32: up to 32 messages of an entity are marked as started together',
    unfair: 'After a crash, messages that were marked and had not begun count as interrupted too.',
    fireMessages: 100_000,
    packages: ['ioredis'],
    load: async () => (await import('./systems/atomic-queues.js')).atomicQueuesAhead,
  },
  {
    name: OURS_ACTORS,
    inOrder: true,
    durable: true,
    guarantees: 'as atomic-queues, and the state of each entity, 1 KiB, becomes durable with each of its messages',
    unfair: 'All entities fit into the memory: none is read from Redis while the time is taken.',
    fireMessages: 100_000,
    packages: ['ioredis'],
    load: async () => (await import('./systems/atomic-queues-actors.js')).atomicQueuesActors,
  },
  {
    name: OURS_STATE_ONLY,
    inOrder: true,
    durable: true,
    guarantees:
      'as atomic-queues-actors, for handlers that change nothing but the state of their entity: after a crash, messages whose ' +
      'outcome was not durable run again from the last durable state',
    unfair: 'For it: a handler with an outside effect may not use it. Its state is small.',
    fireMessages: 100_000,
    packages: ['ioredis'],
    load: async () => (await import('./systems/atomic-queues-actors.js')).atomicQueuesStateOnly,
  },
  {
    name: SCRIPT_LOOP,
    inOrder: false,
    durable: false,
    guarantees: 'nothing: the ceiling. One script call per shard and batch stores, marks and deletes 256 messages',
    unfair:
      'For it: no queue, no JSON, no handler, no promise, no id; payloads are made beforehand; batches are always full.',
    fireMessages: 0,
    packages: ['ioredis'],
  },
  {
    name: BARE_RTT,
    inOrder: false,
    durable: false,
    guarantees: 'nothing: the floor of a reply. One script call that stores one message and deletes another',
    unfair: 'For it: a durable reply needs at least two such calls, because a message is stored before it runs.',
    fireMessages: 0,
    packages: ['ioredis'],
  },
  {
    name: 'bullmq',
    inOrder: false,
    durable: true,
    guarantees:
      'durable when added, at least once; no order per entity, and 100 handlers of one entity may run at the same time',
    unfair:
      'For it: it promises no order and no mutual exclusion, its figure is the processing alone, and jobs are removed when ' +
      'they end. Against it: one process and one worker; it scales with more of them.',
    fireMessages: 50_000,
    packages: ['bullmq', 'ioredis'],
    load: async () => (await import('./systems/bullmq.js')).bullmq,
  },
  {
    name: 'bullmq-per-entity',
    inOrder: true,
    durable: true,
    guarantees: 'durable when added, at least once, in order and one at a time per entity while its only worker lives',
    unfair:
      'For it: queues and workers are made and connected before the time is taken, and nobody closes idle ones. Against it: ' +
      'a blocking connection for each entity, on one machine with Redis.',
    fireMessages: 20_000,
    packages: ['bullmq', 'ioredis'],
    load: async () => (await import('./systems/bullmq-per-entity.js')).bullmqPerEntity,
  },
  {
    name: 'groupmq',
    inOrder: true,
    durable: true,
    guarantees: 'durable when added, at least once (a job that outlives its timeout runs again), in order per group',
    unfair:
      'For it: its figure is the processing alone, and a waiting caller is told inside the process, without Redis, because ' +
      'it has no way to wait for a result. Against it: one worker with concurrency 100; jobs are added with its batching.',
    fireMessages: 20_000,
    packages: ['groupmq', 'ioredis'],
    load: async () => (await import('./systems/groupmq.js')).groupmq,
  },
  {
    name: 'redlock',
    inOrder: false,
    durable: false,
    guarantees:
      'one handler per entity at a time as long as no lock expires; no queue, no order, and a crash loses what is waiting',
    unfair:
      'For it: nothing is stored, the handler is a function call, one Redis is one vote of one, entities come in turn so ' +
      'that callers over many entities hardly meet at a lock, and a caller on a hot entity may take the lock again and ' +
      'again while others starve (maxMs shows it); callers who find it taken try again after 5 to 10 ms, not after its ' +
      'default of 200 ms. Against it: nothing.',
    fireMessages: 20_000,
    packages: ['redlock', 'ioredis'],
    load: async () => (await import('./systems/redlock.js')).redlock,
  },
  {
    name: 'postgres',
    inOrder: false,
    durable: false,
    guarantees: 'one handler per entity at a time in a transaction that really holds; no queue, no order',
    unfair:
      'For it: the row is the entity, so nothing is stored besides it; synchronous_commit is off, which is as durable as an ' +
      'append-only file flushed every second. Against it: another database on the same two cores, 32 connections for all callers.',
    fireMessages: 10_000,
    packages: ['pg'],
    load: async () => (await import('./systems/postgres.js')).postgres,
  },
];

export function describedSystem(name: string): DescribedSystem {
  const found = described.find((each) => each.name === name);
  if (found === undefined) throw new Error(`There is no system "${name}".`);
  return found;
}

export function isOurs(name: string): boolean {
  return [OURS, OURS_AHEAD, OURS_ACTORS, OURS_STATE_ONLY].includes(name);
}

/** The floor and the ceiling are no systems that anybody could choose instead. */
export function isPeer(name: string): boolean {
  return !isOurs(name) && name !== SCRIPT_LOOP && name !== BARE_RTT;
}

export function versionsOf(system: DescribedSystem): string {
  return system.packages.map(versionOf).join(', ');
}
