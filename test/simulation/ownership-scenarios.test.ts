/**
 * The rules of ownership that concern several nodes, each with the schedule that breaks the promise when the rule is left
 * out. What leaves it out is put in from outside, for the time of one run.
 */
import { describe, expect, it } from 'vitest';
import { ShardOwner } from '../../src/entity/shard-owner.js';
import type { Job } from '../../src/testing/simulation/simulation-jobs.js';
import { otherwise, replaced, Stage, type StageOptions, without, withoutLeaseLooks } from './stage.js';

describe('an owner that cannot be seen but is at work (M6)', () => {
  /** Heartbeats of the owner are lost, its commits and renewals pass. */
  async function unseenOwner(options: StageOptions = {}): Promise<readonly string[]> {
    const stage = new Stage(options);
    const [one, two] = await stage.up('one', 'two');
    if (one === undefined || two === undefined) throw new Error('unreachable');
    const plan = stage.cluster.faults.plan.bind(stage.cluster.faults);
    stage.cluster.faults.plan = (call, process) =>
      call === 'beat' && process === one.process ? { thereMs: 1, backMs: 1, fault: 'request' } : plan(call, process);
    const id = stage.entityOf(one);
    const job = stage.job(id, { ms: 5_000 });
    await stage.send(one, job);
    await stage.cluster.runtime.advance(8_000);
    return stage.judge();
  }

  it('keeps its shards: silence in the cluster store proves nothing (I3)', async () => {
    expect(await unseenOwner()).toEqual([]);
  });

  it('without the rule, two nodes own one shard', async () => {
    const wal: NonNullable<StageOptions['seams']>['wal'] = (inner) =>
      otherwise(inner, {
        open: (shard, incarnation) => inner.open(shard, incarnation),
        signs: async (shards) =>
          (await inner.signs(shards)).map((sign) => ({ ...sign, incarnation: undefined, node: '' })),
      });
    expect((await unseenOwner({ seams: { wal } })).join()).toMatch(/ms left of its lease/);
  });
});

describe('an owner that is frozen for three leases (M7)', () => {
  async function frozenOwner(): Promise<{ violations: readonly string[]; calls: readonly string[] }> {
    const stage = new Stage();
    const [one, two] = await stage.up('one', 'two');
    if (one === undefined || two === undefined) throw new Error('unreachable');
    const id = stage.entityOf(one, 'resilient');
    const jobs = [0, 1, 2, 3].map(() => stage.job(id, { type: 'resilient', ms: 50 }));
    // A marked message whose start comes with the awakening, and more behind it.
    for (const job of jobs) void stage.ask(two, job).catch(() => {});
    await stage.cluster.runtime.advance(60);
    one.process.pause(6_000);
    await stage.cluster.runtime.advance(9_000);
    const violations = await stage.judge();
    return { violations, calls: stage.callsRun };
  }

  it('starts nothing when it awakes, and the store refuses what it still writes (I3)', async () => {
    const { violations, calls } = await frozenOwner();
    expect(violations).toEqual([]);
    expect(new Set(calls).size).toBe(4);
  });

  it('without the look at the lease, it starts handlers that another owner runs', async () => {
    const broken = await without(withoutLeaseLooks, frozenOwnerAwakes);
    expect(broken.join()).toMatch(/after its lease of shard \d+ had run out|under epoch \d+, after/);
  });

  it('with it, an owner that awakes with a query in line does not run it here', async () => {
    expect(await frozenOwnerAwakes()).toEqual([]);
  });

  /** The frozen owner finds, in the moment of its awakening, a query whose handler has ended, and another one behind it. */
  async function frozenOwnerAwakes(): Promise<readonly string[]> {
    const stage = new Stage();
    const [one, two] = await stage.up('one', 'two');
    if (one === undefined || two === undefined) throw new Error('unreachable');
    const id = stage.entityOf(one);
    void stage.ask(one, stage.job(id, { kind: 'query', ms: 60 })).catch(() => {});
    void stage.ask(one, stage.job(id, { kind: 'query' })).catch(() => {});
    // The first one ends right after the pause has begun, before anything else of this node is due.
    await stage.cluster.runtime.advance(60);
    one.process.pause(6_000);
    await stage.cluster.runtime.advance(9_000);
    return stage.judge();
  }
});

describe('a store that lost writes in a fail-over (M8, M9)', () => {
  /** Everything is put back to what it was before the shards changed hands. */
  async function failOver(options: StageOptions = {}): Promise<Stage> {
    const stage = new Stage(options);
    const [one] = await stage.up('one', 'two');
    if (one === undefined) throw new Error('unreachable');
    const snapshot = stage.cluster.store.snapshot();
    stage.cluster.kill(one.process);
    await stage.cluster.runtime.advance(6_000);
    stage.cluster.store.restore(snapshot);
    await stage.cluster.runtime.advance(8_000);
    return stage;
  }

  const reused = (stage: Stage): readonly number[] =>
    [...stage.epochs().values()].flatMap((epochs) =>
      epochs.filter((epoch, index) => epoch <= (epochs[index - 1] ?? 0)),
    );

  it('opens its shards under epochs that were never there before (I6)', async () => {
    const stage = await failOver();
    expect(reused(stage)).toEqual([]);
    expect([...stage.epochs().values()].some((epochs) => epochs.length > 2)).toBe(true);
    const [, two] = stage.cluster.members;
    expect(two === undefined ? [] : [...stage.shardsOf(two)].sort((a, b) => a - b)).toEqual([0, 1, 2, 3]);
  });

  it('without what the opener has seen and the time of the store, an epoch is used twice', async () => {
    const stage = await failOver({
      seams: {
        server: (server, store) =>
          otherwise(server, {
            open: async (shard, incarnation, claim) => {
              const before = store.shard(shard).epoch;
              const opened = await server.open(shard, incarnation, claim);
              store.shard(shard).epoch = before + 1;
              return { ...opened, epoch: before + 1 };
            },
          }),
      },
    });
    expect(reused(stage).length).toBeGreaterThan(0);
  });

  /** A running owner whose last commits are gone. */
  async function ownCommitsLost(options: StageOptions = {}): Promise<Stage> {
    const stage = new Stage(options);
    const [one] = await stage.up('one');
    if (one === undefined) throw new Error('unreachable');
    await stage.send(one, stage.job('a'));
    await stage.cluster.runtime.advance(300);
    const snapshot = stage.cluster.store.snapshot();
    for (let index = 0; index < 3; index += 1) await stage.send(one, stage.job('a', { ms: 400 }));
    stage.cluster.store.restore(snapshot);
    void stage.ask(one, stage.job('a')).catch(() => {});
    await stage.cluster.runtime.advance(10_000);
    return stage;
  }

  it('an owner whose commit numbers do not follow opens anew before it goes on', async () => {
    const stage = await ownCommitsLost();
    expect([...stage.epochs().values()].some((epochs) => epochs.length > 1)).toBe(true);
    const [one] = stage.cluster.members;
    if (one === undefined) throw new Error('unreachable');
    expect(await stage.cluster.until(stage.ask(one, stage.job('a')))).toMatch(/done/);
  });

  it('without the check of the number, it goes on as if nothing had happened', async () => {
    const stage = await ownCommitsLost({
      seams: {
        server: (server, store) =>
          otherwise(server, {
            commit: (request) =>
              server
                .commit({ ...request, number: store.shard(request.shard).commitNumber + 1 })
                .catch((error: unknown) => {
                  throw error;
                }),
          }),
      },
    });
    const words = await stage.judge();
    expect(words.length).toBeGreaterThan(0);
  });
});

describe('a message that kills its process (M13)', () => {
  async function poison(): Promise<{ stage: Stage; job: Job; other: Job }> {
    let poisoned = '';
    const stage: Stage = new Stage({
      perform: async ({ call }, _context, member) => {
        if (call === poisoned) stage.cluster.kill(member.process);
        return `${call} done`;
      },
    });
    const nodes = await stage.up('one', 'two', 'three', 'four', 'five');
    const [sender] = await stage.up({ serverId: 'sender', handles: false });
    if (sender === undefined || nodes[0] === undefined) throw new Error('unreachable');
    const job = stage.job('a', { type: 'resilient' });
    const other = stage.job('a', { type: 'resilient' });
    poisoned = job.call;
    await stage.send(sender, job);
    await stage.send(sender, other);
    await stage.cluster.runtime.advance(30_000);
    return { stage, job, other };
  }

  it('is interrupted for good after its interruptions are used up, and what is behind it runs', async () => {
    const { stage, job, other } = await poison();
    expect(stage.callsRun.filter((call) => call === job.call)).toHaveLength(3);
    expect(stage.callsRun).toContain(other.call);
    expect(await stage.judge()).toEqual([]);
  });

  it('without the count, it takes every process of the cluster with it', async () => {
    const { stage, other } = await without(
      () => replaced(ShardOwner, 'afterInterruption', () => () => 'retry'),
      poison,
    );
    expect(stage.cluster.living.map(({ options }) => options.serverId)).toEqual(['sender']);
    expect(stage.callsRun).not.toContain(other.call);
  });
});
