import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/runtime/random.js';
import { FaultyWal } from '../../../src/testing/faulty-wal.js';
import { VirtualRuntime } from '../../../src/testing/virtual-runtime.js';
import { COMMIT_WEIGHT_MAX } from '../../../src/wal/commit-queue.js';
import { GroupCommit, type Participant } from '../../../src/wal/group-commit.js';
import { MemoryWal } from '../../../src/wal/memory/memory-wal.js';
import type { Outcome, Transition } from '../../../src/wal/transition.js';
import { StoreUnavailableError } from '../../../src/wal/wal.js';

async function make() {
  const runtime = new VirtualRuntime();
  const wal = new FaultyWal(new MemoryWal({ clock: runtime.clock }));
  await wal.start();
  const { epoch } = await wal.open(0, 'me');
  const news: string[] = [];
  const commits = new GroupCommit({
    wal,
    clock: runtime.clock,
    timers: runtime.timers,
    shard: 0,
    epoch,
    incarnation: 'me',
    detached: (callback) => callback(),
    events: {
      answered: () => {},
      drained: () => void news.push('drained'),
      degraded: () => void news.push('degraded'),
      recovered: () => void news.push('recovered'),
      lost: () => void news.push('lost'),
    },
  });
  const told: [number, Outcome['type'] | 'refused'][] = [];
  const participant = (n: number): Participant => ({
    committed: (outcome) => void told.push([n, outcome.type]),
    refused: () => void told.push([n, 'refused']),
  });
  return { runtime, wal, commits, news, told, participant };
}

function append(n: number): Transition {
  return {
    type: 'append',
    message: { id: `m${n}`, kind: 'command', entityType: 't', entityId: `${n % 5}`, name: 'x', payload: '{}' },
  };
}

describe('group commit', () => {
  it('sends what gathered while a commit is on its way as one batch, in order, each told once', async () => {
    const { runtime, wal, commits, told, participant } = await make();
    const open = wal.hold('commit');
    commits.add(append(0), participant(0));
    await runtime.settle();
    for (let n = 1; n < 100; n += 1) commits.add(append(n), participant(n));
    await runtime.settle();
    open();
    await runtime.settle();
    expect(wal.requests.map(({ number, transitions }) => [number, transitions.length])).toEqual([
      [1, 1],
      [2, 99],
    ]);
    expect(told).toEqual(Array.from({ length: 100 }, (_, n) => [n, 'appended']));
    expect(commits.idle).toBe(true);
  });

  it('leaves no timer behind when the answer that fails comes after the shard was lost', async () => {
    const { runtime, wal, commits, news, told, participant } = await make();
    const open = wal.hold('commit');
    wal.fail('commit', { times: 1 });
    commits.add(append(0), participant(0));
    await runtime.settle();
    commits.lose(new Error('taken over'));
    open();
    await runtime.settle();
    expect(runtime.pending).toEqual({ timers: 0, deferred: 0 });
    expect(news).toContain('lost');
    expect(told).toEqual([[0, 'refused']]);
    expect(wal.requests).toHaveLength(1);
  });

  it('keeps the order and never splits a group, whatever the sizes', async () => {
    const { runtime, wal, commits, told, participant } = await make();
    const random = seededRandom(11);
    const groups: [number, number][] = [];
    let n = 0;
    for (let round = 0; round < 120; round += 1) {
      const size = random.next() < 0.5 ? 1 : Math.floor(random.next() * 400);
      const members = Array.from({ length: size }, (_, index) => n + index);
      commits.addAll(members.map(append), members.map(participant));
      if (size > 1) groups.push([n, n + size]);
      n += size;
      if (random.next() < 0.1) await runtime.settle();
    }
    await runtime.settle();
    expect(told.map(([each]) => each)).toEqual(Array.from({ length: n }, (_, index) => index));
    const borders: number[] = [];
    let at = 0;
    for (const { transitions } of wal.requests) {
      at += transitions.length;
      borders.push(at);
      expect(transitions.length).toBeLessThan(COMMIT_WEIGHT_MAX + 400);
    }
    for (const [start, end] of groups) expect(borders.filter((border) => border > start && border < end)).toEqual([]);
  });

  it('refuses the one transition that the store cannot read, and commits the others in order (I8)', async () => {
    const { runtime, wal, commits, news, told, participant } = await make();
    const isHostile = (transitions: readonly Transition[]): boolean =>
      transitions.some((transition) => transition.type === 'cancel' && transition.id === 'hostile');
    const commit = wal.commit.bind(wal);
    wal.commit = (request) =>
      isHostile(request.transitions) ? Promise.reject(new TypeError('cannot be bound')) : commit(request);
    commits.add(append(0), participant(0));
    commits.add({ type: 'cancel', id: 'hostile' }, participant(1));
    commits.addAll([append(2), append(3)], [participant(2), participant(3)]);
    commits.add(append(4), participant(4));
    await runtime.settle();
    expect(news).not.toContain('lost');
    expect(told).toEqual([
      [0, 'appended'],
      [1, 'refused'],
      [2, 'appended'],
      [3, 'appended'],
      [4, 'appended'],
    ]);
  });

  it.each(['cannot be read', 'is deferred'])(
    'refuses what is on its way when the shard is lost meanwhile, and what was sent %s',
    async (how) => {
      const { runtime, wal, commits, told, participant } = await make();
      const commit = wal.commit.bind(wal);
      let answer = (): void => {};
      const isAnswered = new Promise<void>((resolve) => {
        answer = resolve;
      });
      wal.commit = async (request) => {
        await isAnswered;
        // What the next owner has done with a message leaves nothing to read.
        if (how === 'cannot be read') throw new Error('no content');
        return {
          ...(await commit({ ...request, transitions: [] })),
          outcomes: [{ type: 'deferred' }, { type: 'deferred' }],
        };
      };
      commits.add(append(0), participant(0));
      commits.add(append(1), participant(1));
      await runtime.settle();
      commits.lose(new Error('taken over'));
      answer();
      await runtime.settle();
      expect(told).toEqual([
        [0, 'refused'],
        [1, 'refused'],
      ]);
    },
  );

  it('tells the listener first when the shard is lost, then refuses everything, then and later', async () => {
    const { runtime, wal, commits, news, told, participant } = await make();
    wal.fail('commit', { error: new StoreUnavailableError('broken', 'no', false), times: 99 });
    commits.add(append(0), participant(0));
    await runtime.settle();
    commits.add(append(1), participant(1));
    expect(told).toEqual([
      [0, 'refused'],
      [1, 'refused'],
    ]);
    expect(news[0]).toBe('lost');
    await commits.whenIdle();
  });

  it('takes in offers with an empty commit, but not beside another one', async () => {
    const { runtime, wal, commits, participant } = await make();
    await wal.offer(0, [
      {
        session: 's',
        number: 1,
        transition: { type: 'append', message: (append(9) as never as { message: never }).message },
      },
    ]);
    commits.poll();
    await runtime.settle();
    expect(wal.requests.map(({ transitions }) => transitions.length)).toEqual([0]);
    expect((await wal.counts(0)).accepted).toBe(1);
    commits.add(append(1), participant(1));
    commits.poll();
    await runtime.settle();
    expect(wal.requests).toHaveLength(2);
  });

  it('refuses appends and keeps all else while the store is away', async () => {
    const { runtime, wal, commits, news, told, participant } = await make();
    wal.fail('commit', { times: 3 });
    commits.add(append(0), participant(0));
    commits.add({ type: 'pause', entityType: 't' }, participant(1));
    await runtime.settle();
    expect(told).toEqual([[0, 'refused']]);
    expect([commits.isDegraded, news]).toEqual([true, ['degraded']]);
    await runtime.advance(1_000);
    expect(told).toEqual([
      [0, 'refused'],
      [1, 'applied'],
    ]);
    expect(news).toEqual(['degraded', 'recovered', 'drained']);
  });

  it.each([0, 1, 2, 3, 4])(
    'tells everyone whose batch is tried again when the shard is lost %d turns of a microtask later',
    async (turns) => {
      const { runtime, wal, commits, told, participant } = await make();
      wal.fail('commit', { when: 'after', times: 100 });
      commits.add(append(1), participant(1));
      await runtime.settle();
      const { set } = runtime.timers;
      const pending: (() => void)[] = [];
      Object.assign(runtime.timers, { set: (callback: () => void) => pending.push(callback) });
      await runtime.advance(100);
      Object.assign(runtime.timers, { set });
      for (const callback of pending.splice(0)) callback();
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      commits.lose(new Error('lost'));
      await runtime.advance(1_000);
      expect(told).toEqual([[1, 'refused']]);
    },
  );
});
