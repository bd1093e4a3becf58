/** Reminders of entities on one node, in virtual time: when they run, what replaces and ends them, what a crash leaves. */
import { afterEach, describe, expect, it } from 'vitest';
import { currentMessage } from '../../../src/entity/message-context.js';
import type { AtomicQueuesConfig } from '../../../src/runtime/config.js';
import { createTestApp, type TestApp } from '../../../src/testing/test-app.js';
import type { StoredMessage, Transition } from '../../../src/wal/transition.js';
import type { CommitRequest } from '../../../src/wal/wal.js';
import { refusal } from './lab.js';

const START = Date.parse('2026-03-01T00:00:00Z');

describe('reminders', () => {
  let app: TestApp;
  let runs: { readonly at: string; readonly what: unknown; readonly id: string }[];
  let workMs = 0;
  let fails = false;

  const begin = async (config: AtomicQueuesConfig = {}): Promise<void> => {
    runs = [];
    workMs = 0;
    fails = false;
    app = await createTestApp({
      startAtMs: START,
      config,
      setup: (node) => {
        node.handle('account', 'Interest', async (what) => {
          runs.push({ at: new Date(app.runtime.clock.now()).toISOString(), what, id: currentMessage()?.id ?? '' });
          if (workMs > 0) await new Promise<void>((resolve) => app.runtime.timers.set(resolve, workMs));
          if (fails) throw new Error('no');
        });
        node.handle('account', 'Balance', () => 1, { kind: 'query' });
      },
    });
  };
  const account = (id = 'a') => app.bus.forEntity('account', id);
  /** Lets what the call needs happen; none of it takes time. */
  const done = <T>(promise: Promise<T>): Promise<T> => app.drive(promise);
  const times = (): string[] => runs.map(({ at }) => at);

  afterEach(async () => {
    await app.stop();
  });

  it('runs at each time, as an ordinary message of its entity, and tells what it knows', async () => {
    await begin();
    await done(account().remind('hourly', 'Interest', { percent: 2 }, { cron: '0 * * * *', timezone: 'UTC' }));
    expect(await done(account().reminders())).toEqual([
      {
        name: 'hourly',
        entityType: 'account',
        entityId: 'a',
        message: 'Interest',
        payload: { percent: 2 },
        cron: '0 * * * *',
        timezone: 'UTC',
        nextRunAt: Date.parse('2026-03-01T01:00:00Z'),
        missed: 'skip',
        overlap: false,
      },
    ]);
    await app.advance(125 * 60_000);
    expect(times()).toEqual(['2026-03-01T01:00:00.000Z', '2026-03-01T02:00:00.000Z']);
    expect(runs[0]?.what).toEqual({ percent: 2 });
    expect(new Set(runs.map(({ id }) => id)).size).toBe(2);
    const [reminder] = await done(account().reminders());
    expect(reminder?.nextRunAt).toBe(Date.parse('2026-03-01T03:00:00Z'));
    expect(reminder?.lastRunId).toBe(runs[1]?.id);
  });

  it('replaces the one of the same name, and is forgotten by it', async () => {
    await begin();
    await done(account().remind('poll', 'Interest', 1, { everyMs: 1_000 }));
    await done(account().remind('poll', 'Interest', 2, { everyMs: 2_000 }));
    await done(account('b').remind('poll', 'Interest', 3, { everyMs: 2_000 }));
    await app.advance(4_000);
    expect(runs.map(({ what }) => what)).toEqual([2, 3, 2, 3]);
    await done(account().forgetReminder('poll'));
    await done(account().forgetReminder('poll'));
    await app.advance(2_000);
    expect(runs.map(({ what }) => what).slice(4)).toEqual([3]);
    expect(await done(app.bus.reminders.list({ entityType: 'account' }))).toMatchObject([{ entityId: 'b' }]);
    expect(await done(app.bus.reminders.list({ entityType: 'account', limit: 0 }))).toEqual([]);
  });

  it('ends after its last time and leaves nothing', async () => {
    await begin();
    await done(account().remind('twice', 'Interest', {}, { everyMs: 1_000, times: 2 }));
    await app.advance(10_000);
    expect(runs).toHaveLength(2);
    expect(await done(account().reminders())).toEqual([]);
    const { accepted, completed, cancelled, pending } = await app.node.wal.counts(0);
    expect({ accepted, completed, cancelled, pending }).toEqual({
      accepted: 3,
      completed: 2,
      cancelled: 1,
      pending: 0,
    });
  });

  it('leaves a time out while the run before has not ended, unless it may overlap', async () => {
    await begin();
    workMs = 2_500;
    await done(account().remind('slow', 'Interest', 'alone', { everyMs: 1_000, times: 6 }));
    await done(account('b').remind('slow', 'Interest', 'all', { everyMs: 1_000, times: 3, overlap: true }));
    await app.advance(20_000);
    expect(runs.filter(({ what }) => what === 'alone')).toHaveLength(2);
    expect(runs.filter(({ what }) => what === 'all')).toHaveLength(3);
  });

  it.each([
    ['skip', 2],
    ['all', 11],
  ] as const)('after a time without a node runs what it missed: %s', async (missed, count) => {
    await begin();
    await done(account().remind('tick', 'Interest', {}, { everyMs: 60_000, missed }));
    app.crash();
    await app.advance(10 * 60_000 + 30_000);
    app = await app.restart();
    await app.advance(40_000);
    expect(runs).toHaveLength(count);
    const [reminder] = await done(account().reminders());
    expect(reminder?.nextRunAt).toBe(START + 12 * 60_000);
  });

  it('pauses with its entity, and does not pile up', async () => {
    await begin();
    await done(account().remind('tick', 'Interest', {}, { everyMs: 1_000 }));
    await done(account().pause());
    await app.advance(60_000);
    expect(runs).toHaveLength(0);
    await done(account().resume());
    await app.settle();
    expect(runs).toHaveLength(1);
  });

  it('stays when its entity is purged, and goes on when a run fails', async () => {
    await begin();
    fails = true;
    await done(account().remind('tick', 'Interest', {}, { everyMs: 1_000 }));
    await done(account().purge());
    await app.advance(3_000);
    expect(runs).toHaveLength(3);
    expect((await app.inspect()).deadLetters).toHaveLength(3);
  });

  it('never runs twice for one time when a commit is lost or its answer is (M1)', async () => {
    for (const when of ['before', 'after'] as const) {
      await begin();
      await done(account().remind('tick', 'Interest', {}, { everyMs: 1_000, times: 3 }));
      app.wal.fail('commit', { when, accepts: ({ transitions }) => transitions.some((t) => t.type === 'promote') });
      await app.advance(10_000);
      expect(times()).toHaveLength(3);
      if (when === 'before') await app.stop();
    }
  });

  it('runs once when the process is killed with the run in the store', async () => {
    await begin();
    await done(account().remind('tick', 'Interest', {}, { everyMs: 1_000, times: 3 }));
    let promoted = false;
    app.wal.fail('commit', {
      when: 'after',
      times: 99,
      accepts: ({ transitions }) => {
        promoted ||= transitions.some(({ type }) => type === 'promote');
        return promoted;
      },
    });
    await app.advance(1_000);
    expect(promoted).toBe(true);
    expect(runs).toHaveLength(0);
    app.wal.heal();
    app.crash();
    app = await app.restart();
    await app.advance(5_000);
    expect(runs).toHaveLength(3);
  });

  it.each(['well', 'down'])(
    'keeps one that is set while a former one of its name is found to be over, with a store that is %s',
    async (store) => {
      const isSetAgain = (each: Transition): boolean =>
        each.type === 'append' && each.message.id.startsWith('reminder.');
      await begin();
      await done(account().remind('tick', 'Interest', 'old', { everyMs: 1_000, times: 1 }));
      await app.advance(999);
      const look = app.wal.hold('due');
      await app.advance(1);
      look();
      await app.settle();
      // The next look finds the reminder over; the new one is on its way to the store before the withdrawal is.
      const open = app.wal.hold('due');
      await app.advance(2);
      const set = account().remind('tick', 'Interest', 'new', { everyMs: 1_000 });
      let sets = 0;
      const isRefused = ({ transitions }: CommitRequest): boolean => {
        if (!transitions.some(isSetAgain)) return false;
        sets += 1;
        return sets > 1;
      };
      if (store === 'down') app.wal.fail('commit', { times: 2, accepts: isRefused });
      open();
      await done(set);
      await app.advance(2_500);
      expect(sets).toBe(store === 'down' ? 3 : 0);
      expect(runs.map(({ what }) => what)).toEqual(['old', 'new', 'new']);
      expect(await done(account().reminders())).toHaveLength(1);
    },
  );

  it('is refused at the call when nobody could run it', async () => {
    await begin();
    const bus = account();
    expect((await refusal(done(bus.remind('x', 'Nobody', {}, { everyMs: 1_000 })))).code).toBe('UNKNOWN_MESSAGE');
    const ghost = app.bus.forEntity('ghost', 'g');
    expect((await refusal(done(ghost.remind('x', 'Interest', {}, { everyMs: 1_000 })))).code).toBe(
      'UNKNOWN_ENTITY_TYPE',
    );
    expect((await refusal(done(bus.remind('x', 'Balance', {}, { everyMs: 1_000 })))).message).toMatch(/sends commands/);
    expect((await refusal(done(bus.remind('', 'Interest', {}, { everyMs: 1_000 })))).message).toMatch(
      /name of a reminder/,
    );
    expect((await refusal(done(bus.remind('x', 'Interest', {}, { cron: '0 0 30 2 *' })))).code).toBe('INVALID_PAYLOAD');
    expect(await done(bus.reminders())).toEqual([]);
  });

  it('runs once and says so when its schedule is of another version', async () => {
    await begin();
    const message: Partial<StoredMessage> = { id: 'odd', kind: 'command', entityType: 'account', entityId: 'a' };
    const offered = { ...message, name: 'Interest', payload: '9', recurrence: '{"v":7}' } as StoredMessage;
    await app.node.wal.offer(0, [
      { session: 's', number: 1, transition: { type: 'append', message: offered, delayMs: 5 } },
    ]);
    await app.advance(5_000);
    expect(runs.map(({ what }) => what)).toEqual([9]);
  });

  it('refuses to list by a filter that it does not know, instead of listing all', async () => {
    await begin();
    const list = async (filter: object) => (await refusal(done(app.bus.reminders.list(filter)))).message;
    expect(await list({ entitytype: 'account' })).toBe(
      'Which reminders: "entitytype" is none of entityType, entityId, limit.',
    );
    expect(await list({ entityId: 'a' })).toMatch(/entityId needs entityType/);
    expect(await list({ limit: -1 })).toMatch(/limit is -1/);
  });

  it('runs 100,000 of them within a minute: none lost, none double, p99 at most a second late', {
    timeout: 240_000,
  }, async () => {
    await begin({ maxTotalQueueDepth: 0, maxTotalWorkers: 0 });
    const count = 100_000;
    const due = START + 600_000;
    await done(
      Promise.all(
        Array.from({ length: count }, (_, index) =>
          account(`e${index}`).remind('once', 'Interest', index, {
            everyMs: 3_600_000,
            startAt: due + Math.floor((index / count) * 60_000),
          }),
        ),
      ),
    );
    await app.advance(600_000 + 70_000);
    expect(runs).toHaveLength(count);
    expect(new Set(runs.map(({ what }) => what)).size).toBe(count);
    const late = runs
      .map(({ at, what }) => Date.parse(at) - (due + Math.floor(((what as number) / count) * 60_000)))
      .sort((a, b) => a - b);
    expect(late[0]).toBeGreaterThanOrEqual(0);
    expect(late[Math.floor(count * 0.99)]).toBeLessThanOrEqual(1_000);
  });
});
