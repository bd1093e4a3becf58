/** A store of an older format is brought to the present one, in place, by the owner that opens it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ContractClock } from '../../../src/testing/wal-contract.js';
import { defaultDriver, type SqliteDriver } from '../../../src/wal/sqlite/driver.js';
import { FORMAT_VERSION } from '../../../src/wal/sqlite/schema.js';
import { SqliteWal } from '../../../src/wal/sqlite/sqlite-wal.js';
import { outboxSession, type Transition } from '../../../src/wal/transition.js';
import type { Wal } from '../../../src/wal/wal.js';
import { CommitSeries } from './commit-series.js';
import { makeFormat1Store } from './format-1-store.js';
import { removeStoreFolders, storeFolder } from './store-folder.js';

const clock = new ContractClock();
afterAll(removeStoreFolders);

function formerStore(): string {
  const path = join(storeFolder(), 'queues.db');
  makeFormat1Store(path);
  return path;
}

async function started(path: string, driver?: SqliteDriver, role?: 'reader'): Promise<SqliteWal> {
  const wal = new SqliteWal({ path, clock, driver, role, verifyLineOrder: false });
  await wal.start();
  return wal;
}

const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Tables with their columns, indexes and views, as SQLite has them. */
function shapeOf(path: string): unknown {
  const db = defaultDriver().open(path, { readOnly: true });
  try {
    const things = db.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY name').all() as {
      type: string;
      name: string;
      sql: string | null;
    }[];
    return things.map(({ type, name, sql }) => {
      if (type !== 'table') return [type, name, sql];
      const columns = db.prepare(`SELECT name, type, "notnull", pk FROM pragma_table_info('${name}')`).all() as {
        name: string;
      }[];
      return [type, name, columns.sort((one, other) => one.name.localeCompare(other.name))];
    });
  } finally {
    db.close();
  }
}

async function everything(wal: Wal) {
  const heads = await wal.scan(0, 0, 100);
  return {
    line: await wal.load(
      0,
      heads.map(({ seq }) => seq),
    ),
    counts: await wal.counts(0),
    due: await wal.due(0, Number.MAX_SAFE_INTEGER, 10),
    letters: await wal.deadLetters(0, { limit: 10 }),
    verdict: await wal.status(0, 'old-4'),
    states: await wal.actorStates(0, [{ entityType: 'account', entityId: 'd' }]),
    blocked: await wal.blocked(0, 0, 10),
    paused: await wal.paused(0),
    reminders: await wal.reminders(0, { limit: 10 }),
    outbox: await wal.outbox(0, 10),
    mark: await wal.offerMark(0, 's'),
  };
}

describe('a store of format 1', () => {
  it('has everything that it had when its owner has brought it to the present format (I1, I7)', async () => {
    const path = formerStore();
    const wal = await started(path);
    expect(wal.description).toMatchObject({ formatVersion: FORMAT_VERSION, clusterId: 'format-1' });
    const found = await everything(wal);
    expect(found.line.map(({ id, seq, state }) => [id, seq, state])).toEqual([
      ['old-1', 1, 'dispatched'],
      ['old-2', 2, 'blocked'],
      ['old-5', 5, 'enqueued'],
      ['m6', 6, 'enqueued'],
      ['offered', 7, 'enqueued'],
    ]);
    expect(found.line[3]).toMatchObject({ entityId: 'e\u0000', messageId: 'k', headers: { trace: 't' } });
    expect(found.counts).toEqual({
      ...{ accepted: 9, completed: 1, failed: 1, interrupted: 0, expired: 0, cancelled: 0 },
      ...{ pending: 7, deadLetters: 1, blocked: 1 },
    });
    expect(found).toMatchObject({
      due: { ids: ['sooner', 'later'] },
      letters: [{ id: 'old-3', reason: 'failed' }],
      verdict: { state: 'completed', verdict: { reply: '1' } },
      states: ['{"balance":7}'],
      blocked: [{ id: 'old-2', error: { message: 'no' }, blockedAt: clock.nowMs }],
      paused: [{ entityType: 'account', entityId: 'a' }],
      reminders: [],
      outbox: [{ number: 1, epoch: 0, targetShard: 0, append: { type: 'append', message: { id: 'sent' } } }],
      mark: 1,
    });
    await wal.stop();
    const again = await started(path, undefined, 'reader');
    expect(await everything(again)).toEqual(found);
    await again.stop();
  });

  it('then works as a new one does: what was blocked, delayed or sent goes on (M15, M17)', async () => {
    const path = formerStore();
    const wal = await started(path);
    const series = await CommitSeries.open(wal, 'next');
    expect(series.opened).toMatchObject({ epoch: 2, nextSeq: 8, clean: false, inFlight: [{ seq: 1 }] });
    const [entry] = await wal.outbox(0, 1);
    if (entry === undefined) throw new Error('the outbox is empty');
    await wal.offer(0, [{ session: outboxSession(0, entry.epoch), number: entry.number, transition: entry.append }]);
    const reminder: Transition = {
      type: 'append',
      delayMs: 5,
      message: {
        ...entry.append.message,
        id: 'reminder',
        recurrence: '{}',
      },
    };
    const { outcomes, taken } = await series.commit(
      { type: 'unblock', id: 'old-2' },
      { type: 'relayed', count: 1 },
      reminder,
      { type: 'complete', seq: 5, starts: true, state: '1', stateTtlMs: 10 },
      { type: 'cancel', id: 'sooner' },
    );
    expect(taken.map(({ message }) => [message?.id, message?.seq])).toEqual([['sent', 8]]);
    expect(outcomes.map(({ type }) => type)).toEqual(['unblocked', 'applied', 'delayed', 'applied', 'cancelled']);
    expect(await wal.outbox(0, 1)).toEqual([]);
    expect((await wal.reminders(0, { limit: 10 })).map(({ order, message }) => [order, message.id])).toEqual([
      [3, 'reminder'],
    ]);
    expect((await wal.counts(0)).blocked).toBe(0);
    await wal.stop();
  });

  it('has the same tables, indexes and views as a store that is made new', async () => {
    const path = formerStore();
    await (await started(path)).stop();
    const fresh = join(storeFolder(), 'fresh.db');
    await (await started(fresh)).stop();
    expect(shapeOf(path)).toEqual(shapeOf(fresh));
  });

  it('is left as it is by a reader, which says what to do', async () => {
    const path = formerStore();
    const before = hash(path);
    await expect(started(path, undefined, 'reader')).rejects.toThrow(/has format 1\. Start the application/);
    expect(hash(path)).toBe(before);
  });

  it('keeps its format when it cannot be brought to the next one, whole, and opens another time', async () => {
    const path = formerStore();
    const driver = defaultDriver();
    const failing: SqliteDriver = {
      ...driver,
      open(file, options) {
        const db = driver.open(file, options);
        return {
          prepare: (sql) => db.prepare(sql),
          close: () => db.close(),
          exec: (sql) => {
            if (sql.includes(`user_version = ${FORMAT_VERSION}`)) throw new Error('the disk is gone');
            db.exec(sql);
          },
        };
      },
    };
    const shape = shapeOf(path);
    await expect(started(path, failing)).rejects.toThrow('the disk is gone');
    expect(shapeOf(path)).toEqual(shape);
    const wal = await started(path);
    expect((await wal.counts(0)).accepted).toBe(9);
    await wal.stop();
  });
});

describe('a store of a format that is not known', () => {
  it.each([0, FORMAT_VERSION + 1])('is refused by owners and readers alike: %i', async (format) => {
    const path = join(storeFolder(), 'later.db');
    await (await started(path)).stop();
    const db = defaultDriver().open(path, { readOnly: false });
    db.exec(`PRAGMA user_version = ${format}`);
    db.close();
    for (const role of [undefined, 'reader'] as const)
      await expect(started(path, undefined, role)).rejects.toThrow(`has format ${format}; this version`);
  });
});
