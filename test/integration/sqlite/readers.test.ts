/** Readers of the embedded store, what they hand in, and the views for people. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ContractClock } from '../../../src/testing/wal-contract.js';
import { defaultDriver } from '../../../src/wal/sqlite/driver.js';
import { SqliteWal } from '../../../src/wal/sqlite/sqlite-wal.js';
import type { Transition } from '../../../src/wal/transition.js';
import { CommitSeries } from './commit-series.js';
import { crashImage, removeStoreFolders, storeFolder } from './store-folder.js';

const folder = storeFolder();
afterAll(removeStoreFolders);

function appendOf(id: string, more: { delayMs?: number } = {}): Extract<Transition, { type: 'append' }> {
  const message = {
    id,
    kind: 'command',
    entityType: 'account',
    entityId: `a\u0000-${id}`,
    name: 'Deposit',
    payload: '{}',
  } as const;
  return { type: 'append', message, ...more };
}

describe('readers of an embedded store', () => {
  it('hands in messages while no owner is at work; the next owner takes them in, in order (M11)', async () => {
    const path = join(folder, 'ownerless.db');
    const owner = new SqliteWal({ path });
    await owner.start();
    await owner.stop();
    const reader = new SqliteWal({ path, role: 'reader' });
    await reader.start();
    await Promise.all(
      [1, 2, 3].map((number) => reader.offer(0, [{ session: 's', number, transition: appendOf(`m${number}`) }])),
    );
    await reader.offer(0, [{ session: 's', number: 3, transition: appendOf('again') }]);
    await expect(reader.offer(0, [{ session: 's', number: 5, transition: appendOf('gap') }])).rejects.toMatchObject({
      name: 'IllegalTransitionError',
    });
    expect(await reader.offerMark(0, 's')).toBe(0);
    const next = new SqliteWal({ path });
    await next.start();
    const { taken } = await (await CommitSeries.open(next)).commit();
    expect(taken.map(({ message }) => message?.id)).toEqual(['m1', 'm2', 'm3']);
    expect(taken[0]?.message?.entityId).toBe('a\u0000-m1');
    expect(await reader.offerMark(0, 's')).toBe(3);
    expect((await reader.status(0, 'm2'))?.state).toBe('enqueued');
    await reader.stop();
    await next.stop();
  });

  it('takes an offer in once although the owner dies before it is removed from the inbox (M11)', async () => {
    const path = join(folder, 'twice-taken.db');
    const owner = new SqliteWal({ path });
    await owner.start();
    const series = await CommitSeries.open(owner);
    await owner.offer(0, [{ session: 's', number: 1, transition: appendOf('once') }]);
    expect((await series.commit()).taken).toHaveLength(1);
    const image = crashImage(path);
    await owner.stop();
    const next = new SqliteWal({ path: image });
    await next.start();
    expect((await (await CommitSeries.open(next)).commit()).taken).toHaveLength(0);
    expect((await next.counts(0)).accepted).toBe(1);
    await next.stop();
    rmSync(join(image, '..'), { recursive: true });
  });

  it('never commits', async () => {
    const path = join(folder, 'no-commit.db');
    const owner = new SqliteWal({ path });
    await owner.start();
    const reader = new SqliteWal({ path, role: 'reader' });
    await reader.start();
    await expect(reader.open(0, 'reader')).rejects.toThrow("role 'reader'");
    await reader.stop();
    await expect(reader.counts(0)).rejects.toThrow('is stopped');
    await owner.stop();
    expect(existsSync(path)).toBe(true);
  });

  it('shows what is blocked, recurs, or waits in the outbox to anyone who can write SQL (M15, M17)', async () => {
    const path = join(folder, 'more-views.db');
    const clock = new ContractClock(Date.UTC(2030, 0, 2, 3, 4, 5, 678));
    const wal = new SqliteWal({ path, clock });
    await wal.start();
    const series = await CommitSeries.open(wal);
    const { message } = series.append() as Extract<Transition, { type: 'append' }>;
    const recurrence = '{"everyMs":60000}';
    await series.commit(...[true, true, true].map((dispatch) => ({ ...series.append(dispatch) })), {
      type: 'append',
      message: { ...message, id: 'tick', entityId: 'clock', recurrence },
      delayMs: 1_000,
    });
    clock.nowMs += 1_000;
    await series.commit(
      { type: 'block', seq: 1, error: { name: 'RangeError', message: 'not enough' } },
      { type: 'interrupt', seq: 2, block: true },
      {
        type: 'complete',
        seq: 3,
        outgoing: [
          { targetShard: 4, append: { type: 'append', message: { ...message, id: 'sent', entityId: 'far' } } },
        ],
      },
      { type: 'promote', id: 'tick', again: { newId: 'tick-run', notBefore: clock.nowMs + 60_000 } },
    );
    const db = defaultDriver().open(path, { readOnly: true });
    const all = (sql: string): unknown[] =>
      db
        .prepare(sql)
        .all()
        .map((row) => Object.values(row as object));
    expect(
      all('SELECT seq, name, attempt, interruptions, blocked_at, error_name, error_message FROM blocked_messages'),
    ).toEqual([
      [1, 'Deposit', 1, 0, '2030-01-02T03:04:06.678Z', 'RangeError', 'not enough'],
      [2, 'Deposit', 1, 1, '2030-01-02T03:04:06.678Z', null, null],
    ]);
    expect(all('SELECT id, entity_id, next_run_at, recurrence, last_run_id FROM reminder_messages')).toEqual([
      ['tick', 'clock', '2030-01-02T03:05:06.678Z', recurrence, 'tick-run'],
    ]);
    expect(all('SELECT target_shard, epoch, number, id, entity_type, entity_id FROM outbox_messages')).toEqual([
      [4, 1, 1, 'sent', 'account', 'far'],
    ]);
    expect(all('SELECT pending, blocked FROM message_counts')).toEqual([[4, 2]]);
    expect(
      all("SELECT id, state FROM pending_messages WHERE state IN ('blocked', 'delayed') ORDER BY seq"),
    ).toHaveLength(3);
    db.close();
    await wal.stop();
  });

  it('shows pending, in-flight and dead messages to anyone who can write SQL', async () => {
    const path = join(folder, 'views.db');
    const clock = new ContractClock(Date.UTC(2030, 0, 2, 3, 4, 5, 678));
    const wal = new SqliteWal({ path, clock });
    await wal.start();
    const series = await CommitSeries.open(wal);
    await series.commit(
      series.append(true),
      series.append(true),
      series.append(),
      appendOf('later', { delayMs: 1_000 }),
      { type: 'fail', seq: 1, error: { name: 'RangeError', message: 'not enough' } },
    );
    const db = defaultDriver().open(path, { readOnly: true });
    const all = (sql: string): unknown[] =>
      db
        .prepare(sql)
        .all()
        .map((row) => ({ ...(row as object) }));
    expect(all('SELECT seq, id, entity_type, state, attempt, enqueued_at, not_before FROM pending_messages')).toEqual([
      {
        seq: 2,
        id: 'series-2',
        entity_type: 'account',
        state: 'dispatched',
        attempt: 1,
        enqueued_at: '2030-01-02T03:04:05.678Z',
        not_before: null,
      },
      {
        seq: 3,
        id: 'series-3',
        entity_type: 'account',
        state: 'enqueued',
        attempt: 0,
        enqueued_at: '2030-01-02T03:04:05.678Z',
        not_before: null,
      },
      {
        seq: null,
        id: 'later',
        entity_type: 'account',
        state: 'delayed',
        attempt: 0,
        enqueued_at: '2030-01-02T03:04:05.678Z',
        not_before: '2030-01-02T03:04:06.678Z',
      },
    ]);
    expect(all('SELECT id, attempt, name FROM in_flight_messages')).toEqual([
      { id: 'series-2', attempt: 1, name: 'Deposit' },
    ]);
    expect(all('SELECT id, reason, error_name, error_message, died_at, attempt FROM dead_letter_messages')).toEqual([
      {
        id: 'series-1',
        reason: 'failed',
        error_name: 'RangeError',
        error_message: 'not enough',
        died_at: '2030-01-02T03:04:05.678Z',
        attempt: 1,
      },
    ]);
    expect(all('SELECT accepted, pending, in_flight, failed, dead_letters FROM message_counts')).toEqual([
      { accepted: 4, pending: 3, in_flight: 1, failed: 1, dead_letters: 1 },
    ]);
    db.close();
    await wal.stop();
  });
});
