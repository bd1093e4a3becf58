/** A small cluster for scenarios: a test says what happens when, and the judge says what was broken. */
import type { AtomicQueuesNode } from '../../src/bus/node.js';
import type { ClusterEngine } from '../../src/cluster/cluster-engine.js';
import { Tenure } from '../../src/cluster/tenure.js';
import type { MessageContext } from '../../src/entity/message-context.js';
import type { WaitOptions } from '../../src/entity/submission.js';
import { entityKey } from '../../src/message/entity-key.js';
import { sliceOf } from '../../src/message/shard-of.js';
import { checkHistory } from '../../src/testing/history-checker.js';
import { recordFinal } from '../../src/testing/history-recording-wal.js';
import {
  SimulatedCluster,
  type SimulatedNode,
  type SimulatedNodeOptions,
  type SimulationSeams,
} from '../../src/testing/simulation/simulated-cluster.js';
import {
  callOfPayload,
  type Job,
  jobBus,
  MAIN_TYPES,
  performJob,
  recordNode,
  SIMULATION_CONFIG,
  SIMULATION_RULES,
} from '../../src/testing/simulation/simulation-jobs.js';

export interface StageOptions {
  readonly seams?: SimulationSeams | undefined;
  /** Instead of what a handler does by itself. */
  readonly perform?: (job: Job, context: MessageContext, member: SimulatedNode) => Promise<unknown>;
}

const SLICES = 4;

export class Stage {
  readonly cluster: SimulatedCluster;
  /** `call` of each handler that began, with the node. */
  readonly ran: { readonly call: string; readonly node: string; readonly attempt: number }[] = [];
  private calls = 0;

  constructor(private readonly options: StageOptions = {}) {
    this.cluster = new SimulatedCluster({
      seed: 1,
      config: SIMULATION_CONFIG,
      slices: SLICES,
      seams: options.seams,
      callOf: callOfPayload,
      setUp: (node, member) => this.handle(node, member),
    });
  }

  /** Starts nodes and waits until they share the shards. */
  async up(...names: readonly (string | SimulatedNodeOptions)[]): Promise<SimulatedNode[]> {
    const members = names.map((name) => this.cluster.add(typeof name === 'string' ? { serverId: name } : name));
    await this.cluster.until(Promise.all(members.map(({ node }) => node.start())));
    await this.cluster.runtime.advance(2_000);
    return members;
  }

  job(id: string, more: Partial<Job> = {}): Job {
    this.calls += 1;
    return { call: `c${this.calls}`, type: 'plain', id, kind: 'command', ms: 0, failures: 0, ...more };
  }

  send(member: SimulatedNode, job: Job, options: WaitOptions = {}): Promise<{ readonly id: string }> {
    return this.cluster.until(jobBus(member).enqueue(job, options));
  }

  ask(member: SimulatedNode, job: Job, options: WaitOptions = {}): Promise<unknown> {
    return jobBus(member).enqueueAndWait(job, options);
  }

  shardsOf({ node }: SimulatedNode): readonly number[] {
    return (node.engine as ClusterEngine)
      .describe()
      .shards.filter(({ state }) => state === 'serving')
      .map(({ shard }) => shard);
  }

  /** An entity of this type whose shard the node has. */
  entityOf(member: SimulatedNode, type = 'plain', index = 0): string {
    const shards = this.shardsOf(member);
    const ids = Array.from({ length: 200 }, (_, number) => `e${number}`);
    return ids.filter((id) => shards.includes(sliceOf(entityKey(type, id), SLICES)))[index] as string;
  }

  get callsRun(): readonly string[] {
    return this.ran.map(({ call }) => call);
  }

  /** Lets time pass and says what the history shows to be wrong. */
  async judge(restMs = 10_000): Promise<readonly string[]> {
    await this.cluster.runtime.advance(restMs);
    await recordFinal(this.cluster.server, this.cluster.recorder, [0, 1, 2, 3]);
    const { violations } = checkHistory(this.cluster.history.events, {
      ...SIMULATION_RULES,
      storeTold: true,
      leaseToleranceMs: this.cluster.leaseToleranceMs,
    });
    return violations.map(({ invariant, words }) => `${invariant}: ${words}`);
  }

  /** The epochs under which shards were opened, by shard. */
  epochs(): ReadonlyMap<number, readonly number[]> {
    const epochs = new Map<number, number[]>();
    for (const event of this.cluster.history.events)
      if (event.type === 'opened') epochs.set(event.shard, [...(epochs.get(event.shard) ?? []), event.epoch]);
    return epochs;
  }

  private handle(node: AtomicQueuesNode, member: SimulatedNode): void {
    const { leases } = this.cluster;
    recordNode(member, {
      durableFacts: false,
      ownership: ({ entityType, entityId, fencingToken }) => {
        const shard = sliceOf(entityKey(entityType, entityId), SLICES);
        const epoch = Number(fencingToken.split('-')[0]);
        return { shard, epoch, leaseLeftMs: leases.leftAsKnown(shard, epoch) };
      },
    });
    const bus = jobBus(member);
    const work = async (payload: unknown, context: MessageContext): Promise<unknown> => {
      const job = payload as Job;
      this.ran.push({ call: job.call, node: member.options.serverId, attempt: context.attempt });
      if (this.options.perform !== undefined) return this.options.perform(job, context, member);
      return performJob(job, context, member, bus, () => this.job('').call);
    };
    for (const type of MAIN_TYPES) {
      node.handle(type, 'Work', work);
      node.handle(type, 'Ask', work, { kind: 'query' });
    }
  }
}

type Method = (this: never, ...args: never[]) => unknown;

/** Replaces a method of a class, private ones too; the returned function puts it back. */
export function replaced(cls: { prototype: object }, name: string, make: (original: Method) => Method): () => void {
  const prototype = cls.prototype as Record<string, Method>;
  const original = prototype[name];
  if (original === undefined) throw new Error(`There is no method ${name} any more: what replaces it has to move.`);
  prototype[name] = make(original);
  return () => {
    prototype[name] = original;
  };
}

/** Owners that ask neither before they mark a message nor before its handler starts whether their lease holds. */
export function withoutLeaseLooks(): () => void {
  const undo = ['mayStart', 'seemsToHold'].map((name) => replaced(Tenure, name, () => () => true));
  return () => {
    for (const each of undo) each();
  };
}

/** A run while something is left out. */
export async function without<T>(leftOut: () => () => void, run: () => Promise<T>): Promise<T> {
  const putBack = leftOut();
  try {
    return await run();
  } finally {
    putBack();
  }
}

/** Something with some of its methods answered otherwise. */
export function otherwise<T extends object>(target: T, calls: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const own = calls[name as keyof T];
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}
