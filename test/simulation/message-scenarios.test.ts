/**
 * The rules of messages that concern several nodes, each with the schedule that breaks the promise when the rule is left
 * out. What leaves it out is put in from outside, for the time of one run.
 */
import { describe, expect, it } from 'vitest';
import { OfferSender } from '../../src/cluster/offer-sender.js';
import { ShardOwner } from '../../src/entity/shard-owner.js';
import { GroupCommit } from '../../src/wal/group-commit.js';
import type { SharedWal } from '../../src/wal/shared-wal.js';
import { otherwise, replaced, Stage, type StageOptions, without } from './stage.js';

/** The answer to the next call of this name is lost; the store has done it. */
function loseAnswer(stage: Stage, call: string, times = 1): void {
  const { faults } = stage.cluster;
  const plan = faults.plan.bind(faults);
  let left = times;
  faults.plan = (name, process) => {
    if (name !== call || left === 0) return plan(name, process);
    left -= 1;
    return { thereMs: 1, backMs: 1, fault: 'answer' };
  };
}

describe('a commit whose answer is lost (M1)', () => {
  async function lostAnswer(options: StageOptions = {}): Promise<readonly string[]> {
    const stage = new Stage(options);
    const [one] = await stage.up('one');
    if (one === undefined) throw new Error('unreachable');
    loseAnswer(stage, 'commit');
    void stage.ask(one, stage.job('a')).catch(() => {});
    await stage.cluster.runtime.advance(2_000);
    return [...(await stage.judge()), ...stage.callsRun.map((call) => `ran ${call}`)];
  }

  it('is applied once: the message runs once (I2, I5)', async () => {
    expect(await lostAnswer()).toEqual(['ran c1']);
  });

  it('without the number, the repeated commit is a second one', async () => {
    const server = (inner: SharedWal, store: Stage['cluster']['store']): SharedWal =>
      otherwise(inner, {
        commit: (request) => inner.commit({ ...request, number: store.shard(request.shard).commitNumber + 1 }),
      });
    expect(await lostAnswer({ seams: { server } })).not.toEqual(['ran c1']);
  });
});

describe('producers on two nodes (M2)', () => {
  /** One node's offer is durable; then the owner's own callers come. */
  async function offerThen(kind: 'command' | 'query', options: StageOptions = {}): Promise<readonly string[]> {
    const stage = new Stage(options);
    const [one, two] = await stage.up('one', 'two');
    if (one === undefined || two === undefined) throw new Error('unreachable');
    const id = stage.entityOf(one);
    // Nobody tells the owner of the offer, and it has just looked by itself.
    stage.cluster.network.route = () => [];
    await stage.cluster.runtime.advance(60);
    await stage.send(two, stage.job(id));
    void stage.ask(one, stage.job(id, { kind })).catch(() => {});
    await stage.cluster.runtime.advance(1_000);
    return [...(await stage.judge()), ...stage.callsRun];
  }

  it('a message of the owner goes behind what was offered before it (I4)', async () => {
    expect(await offerThen('command')).toEqual(['c1', 'c2']);
  });

  it('without the order, it overtakes', async () => {
    const server = (inner: SharedWal, store: Stage['cluster']['store']): SharedWal =>
      otherwise(inner, {
        commit: (request) => {
          const state = store.shard(request.shard);
          const { inbox } = state;
          if (!request.transitions.some(({ type }) => type === 'append')) return inner.commit(request);
          state.inbox = [];
          const answer = inner.commit(request);
          state.inbox = inbox;
          return answer;
        },
      });
    expect((await offerThen('command', { seams: { server } })).join()).toMatch(/the line was not kept/);
  });

  it('a query of the owner sees what was offered before it (I4)', async () => {
    expect(await offerThen('query')).toEqual(['c1', 'c2']);
  });

  it('without the read before it, the query comes first', async () => {
    const atOnce = (): (() => void) =>
      replaced(GroupCommit, 'afterRead', () => ((read: (error: undefined) => void) => read(undefined)) as never);
    expect((await without(atOnce, () => offerThen('query'))).join()).toMatch(/query \S+ started before command/);
  });

  /** The commit that reads is answered only when it is repeated, and an offer has come between. */
  it('a repeated commit reads nothing anew for a query that came after its first sending (M1, I4)', async () => {
    const stage = new Stage();
    const [one, two] = await stage.up('one', 'two');
    if (one === undefined || two === undefined) throw new Error('unreachable');
    const id = stage.entityOf(one);
    stage.cluster.network.route = () => [];
    loseAnswer(stage, 'commit');
    void stage.ask(one, stage.job(id)).catch(() => {});
    await stage.cluster.runtime.advance(50);
    await stage.send(two, stage.job(id));
    void stage.ask(one, stage.job(id, { kind: 'query' })).catch(() => {});
    await stage.cluster.runtime.advance(2_000);
    expect(await stage.judge()).toEqual([]);
    expect(stage.callsRun).toEqual(['c1', 'c2', 'c3']);
  });
});

describe('a group none of whose nodes is alive (M5)', () => {
  async function enqueueWithoutGroup(options: StageOptions = {}): Promise<readonly string[]> {
    const stage = new Stage(options);
    const [one, sender] = await stage.up('one', { serverId: 'sender', handles: false });
    if (one === undefined || sender === undefined) throw new Error('unreachable');
    stage.cluster.kill(one.process);
    await stage.cluster.runtime.advance(30_000);
    const said = await stage.send(sender, stage.job('a')).then(
      () => 'accepted',
      (error: { code?: string }) => `${error.code}`,
    );
    await stage.up('two');
    return [said, ...(await stage.judge()), ...stage.callsRun];
  }

  it('still gets its messages, and runs them when it is back (I1)', async () => {
    expect(await enqueueWithoutGroup()).toEqual(['accepted', 'c1']);
  });

  it('without the durable binding, producers do not know where to', async () => {
    const answer = await enqueueWithoutGroup({
      seams: {
        store: (store) =>
          otherwise(store, {
            beat: async (...args) => {
              const view = await store.beat(...args);
              const groups = new Set(view.nodes.filter(({ types }) => types.length > 0).map(({ group }) => group));
              return { ...view, bindings: view.nodes.length > 1 || groups.size > 0 ? view.bindings : [] };
            },
          }),
      },
    });
    expect(answer[0]).not.toBe('accepted');
  });
});

describe('an offer that the store took and nobody knows of (M11)', () => {
  async function givenUp(): Promise<readonly string[]> {
    const stage = new Stage();
    const [one, two] = await stage.up('one', 'two');
    if (one === undefined || two === undefined) throw new Error('unreachable');
    const id = stage.entityOf(one);
    loseAnswer(stage, 'offer', 100);
    const first = await stage.send(two, stage.job(id)).then(
      () => 'accepted',
      (error: { code?: string }) => `${error.code}`,
    );
    loseAnswer(stage, 'offer', 0);
    stage.cluster.faults.plan = Object.getPrototypeOf(stage.cluster.faults).plan;
    await stage.send(two, stage.job(id));
    return [first, ...(await stage.judge()), ...stage.callsRun];
  }

  it('is indeterminate and runs once, and the next one is a new one (I1, I2)', async () => {
    expect(await givenUp()).toEqual(['INDETERMINATE', 'c1', 'c2']);
  });

  it('without a new session, the next message is taken for the one before and vanishes', async () => {
    const broken = await without(() => replaced(OfferSender, 'startSession', () => () => {}), givenUp);
    expect(broken.join()).toMatch(/has vanished/);
  });
});

describe('a waiter on another node that no hint reaches (M12)', () => {
  async function noHints(options: StageOptions = {}): Promise<string> {
    const stage = new Stage(options);
    const [one, two] = await stage.up('one', 'two');
    if (one === undefined || two === undefined) throw new Error('unreachable');
    stage.cluster.network.route = () => [];
    const answer = stage.ask(two, stage.job(stage.entityOf(one)), { timeoutMs: 0 });
    return stage.cluster.until(answer).then(String, (error: { code?: string }) => `${error.code}`);
  }

  it('finds its verdict in the store (I5)', async () => {
    expect(await noHints()).toBe('c1 done');
  });

  it('without the kept verdict, it never learns how the message ended', async () => {
    const strip = (inner: SharedWal): SharedWal =>
      otherwise(inner, {
        commit: (request) =>
          inner.commit({
            ...request,
            transitions: request.transitions.map((each) =>
              each.type === 'complete' ? { ...each, keepVerdict: false } : each,
            ),
          }),
        offer: (shard, offers, limits) =>
          inner.offer(
            shard,
            offers.map((offer) =>
              offer.transition.type === 'append'
                ? {
                    ...offer,
                    transition: { ...offer.transition, message: { ...offer.transition.message, replyTo: undefined } },
                  }
                : offer,
            ),
            limits,
          ),
      });
    expect(await noHints({ seams: { server: strip } })).toBe('INDETERMINATE');
  });
});

describe('a message that backs off when its owner dies (M14)', () => {
  async function backOff(): Promise<readonly string[]> {
    const stage = new Stage();
    const [one] = await stage.up('one', { serverId: 'two', wallOffsetMs: -3_600_000 });
    if (one === undefined) throw new Error('unreachable');
    const id = stage.entityOf(one, 'retrying');
    const head = stage.job(id, { type: 'retrying', failures: 1 });
    await stage.send(one, head);
    await stage.send(one, stage.job(id, { type: 'retrying' }));
    await stage.cluster.runtime.advance(20);
    stage.cluster.kill(one.process);
    await stage.cluster.runtime.advance(10_000);
    return [...(await stage.judge()), ...stage.ran.map(({ call, attempt }) => `${call}.${attempt}`)];
  }

  it('runs again first, where and when it stood, also on a node whose clock is an hour behind (I4)', async () => {
    expect(await backOff()).toEqual(['c1.1', 'c1.2', 'c2.1']);
  });

  it('without the time of the store, it backs off for an hour', async () => {
    const ownClock = (): (() => void) =>
      replaced(
        ShardOwner,
        'now',
        () =>
          function (this: ShardOwner) {
            return this.options.runtime.clock.now();
          } as never,
      );
    expect(await without(ownClock, backOff)).toEqual(['c1.1']);
  });
});

describe('waits that go round over two nodes (M16)', () => {
  async function round(options: StageOptions = {}): Promise<readonly string[]> {
    const codes: string[] = [];
    const stage: Stage = new Stage({
      ...options,
      perform: async (job, _context, member) => {
        if (job.inner === undefined) return 'end';
        const { job: next, timeoutMs } = job.inner;
        await stage.ask(member, next, { timeoutMs }).catch((error: { code?: string }) => codes.push(`${error.code}`));
        return 'end';
      },
    });
    const [one, two] = await stage.up('one', 'two');
    if (one === undefined || two === undefined) throw new Error('unreachable');
    const [here, there] = [stage.entityOf(one), stage.entityOf(two)];
    const third = stage.job(here);
    const second = stage.job(there, { inner: { job: third, wait: true, timeoutMs: 1_000 } });
    const first = stage.job(here, { inner: { job: second, wait: true, timeoutMs: 3_000 } });
    await stage.cluster.until(stage.ask(one, first, { timeoutMs: 0 }));
    return codes;
  }

  it('are refused at once, because the chain travels with the message', async () => {
    expect(await round()).toEqual(['DEADLOCK']);
  });

  it('without the chain, they end only when somebody loses patience', async () => {
    const strip = (inner: SharedWal): SharedWal =>
      otherwise(inner, {
        offer: (shard, offers, limits) =>
          inner.offer(
            shard,
            offers.map((offer) =>
              offer.transition.type === 'append'
                ? {
                    ...offer,
                    transition: { ...offer.transition, message: { ...offer.transition.message, headers: {} } },
                  }
                : offer,
            ),
            limits,
          ),
      });
    expect(await round({ seams: { server: strip } })).toContain('REPLY_TIMEOUT');
  });
});

describe('an operator whose node has not seen a type', () => {
  it('is refused by name, and not told that a line is paused which nobody will find so', async () => {
    const stage = new Stage();
    const [sender] = await stage.up({ serverId: 'sender', handles: false });
    if (sender === undefined) throw new Error('unreachable');
    const { queueBus } = sender.node;
    for (const call of ['pause', 'resume', 'purge'] as const) {
      await expect(stage.cluster.until<unknown>(queueBus[call]('plain', 'a'))).rejects.toMatchObject({
        code: 'UNKNOWN_ENTITY_TYPE',
      });
    }
    await stage.up('one');
    await stage.cluster.until(queueBus.pause('plain', 'a'));
    expect(await stage.cluster.until(queueBus.paused())).toEqual([{ entityType: 'plain', entityId: 'a' }]);
  });
});
