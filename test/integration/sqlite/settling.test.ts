/** What commits cost in statements, and completions of many messages at once whose ids tell their places. */
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { defaultDriver, type SqliteDriver } from '../../../src/wal/sqlite/driver.js';
import { SqliteWal } from '../../../src/wal/sqlite/sqlite-wal.js';
import type { Transition } from '../../../src/wal/transition.js';
import { IllegalTransitionError } from '../../../src/wal/wal.js';
import { CommitSeries } from './commit-series.js';
import { removeStoreFolders, storeFolder } from './store-folder.js';

const MESSAGES = 600;
const ENTITIES = 500;
const STATE = JSON.stringify({ note: 'x'.repeat(900) });

afterAll(removeStoreFolders);

/** Writes down every statement that runs on the store's own connection. */
function countingDriver(path: string): { readonly driver: SqliteDriver; readonly statements: string[] } {
  const driver = defaultDriver();
  const statements: string[] = [];
  return {
    statements,
    driver: {
      ...driver,
      open(file, options) {
        const db = driver.open(file, options);
        if (file !== path) return db;
        return {
          exec: (sql) => db.exec(sql),
          close: () => db.close(),
          prepare: (sql) => {
            const statement = db.prepare(sql);
            const noted = <R>(run: () => R): R => {
              statements.push(sql.split(/[\s(]/).slice(0, 2).join(' '));
              return run();
            };
            return {
              run: (...values) => noted(() => statement.run(...values)),
              get: (...values) => noted(() => statement.get(...values)),
              all: (...values) => noted(() => statement.all(...values)),
            };
          },
        };
      },
    },
  };
}

async function startedStore(path: string, driver?: SqliteDriver): Promise<SqliteWal> {
  const wal = new SqliteWal({ path, driver });
  await wal.start();
  return wal;
}

/** All messages of the series settle without having been marked. */
function endings(first: number, count: number, more: (seq: number) => object = () => ({})): Transition[] {
  return Array.from({ length: count }, (_, index) => ({
    type: 'complete',
    seq: first + index,
    starts: true,
    ...more(first + index),
  }));
}

describe('a commit', () => {
  it('runs as few statements as it needs: one for what is appended, ended or kept, and three for itself', async () => {
    const path = join(storeFolder(), 'queues.db');
    const { driver, statements } = countingDriver(path);
    const wal = await startedStore(path, driver);
    const series = await CommitSeries.open(wal);
    const ran = async (...transitions: readonly Transition[]): Promise<readonly string[]> => {
      statements.length = 0;
      await series.commit(...transitions);
      return statements.slice(1, -2);
    };
    // The first append asks once what the store knows of ids that begin so.
    await series.commit(series.append(true));
    expect(await ran(series.append(true))).toEqual(['INSERT INTO']);
    expect(statements).toEqual(['BEGIN IMMEDIATE', 'INSERT INTO', 'UPDATE messages', 'COMMIT']);
    expect(await ran({ type: 'complete', seq: 1 })).toEqual(['DELETE FROM']);
    expect(await ran(series.append())).toEqual(['INSERT INTO']);
    expect(await ran({ type: 'complete', seq: 3, starts: true })).toEqual(['DELETE FROM']);
    await ran(...Array.from({ length: 64 }, () => series.append()));
    expect(await ran(...endings(4, 64))).toEqual(['DELETE FROM']);
    await ran(...Array.from({ length: 64 }, () => series.append()));
    expect(await ran(...endings(68, 64, () => ({ state: STATE })))).toEqual([
      'SELECT json_group_array',
      'DELETE FROM',
      ...Array.from({ length: 8 }, () => 'INSERT INTO'),
    ]);
    // What was marked with its append is known.
    await ran(...Array.from({ length: 64 }, () => series.append(true)));
    const settled = Array.from(
      { length: 64 },
      (_, index) => ({ type: 'complete', seq: 132 + index, state: STATE }) as const,
    );
    expect(await ran(...settled)).toEqual(['DELETE FROM', ...Array.from({ length: 8 }, () => 'INSERT INTO')]);
    await wal.stop();
  });
});

describe('many completions of unmarked messages in one commit', () => {
  it.each(['the owner that took them in', 'an owner after it'])(
    'end every message and keep the last state of each entity, for %s (I2, I5)',
    async (owner) => {
      const path = join(storeFolder(), 'queues.db');
      let wal = await startedStore(path);
      let series = await CommitSeries.open(wal);
      await series.commit(...Array.from({ length: MESSAGES }, () => series.append()));
      if (owner !== 'the owner that took them in') {
        await wal.stop();
        wal = await startedStore(path);
        series = await CommitSeries.open(wal);
      }
      const stateful = (seq: number) => (seq % 10 === 0 ? {} : { state: seq % 7 === 0 ? null : `{"seq":${seq}}` });
      await series.commit(...endings(1, MESSAGES, stateful));
      const { completed, pending } = await wal.counts(0);
      expect([completed, pending]).toEqual([MESSAGES, 0]);
      const expected = new Map<string, string>();
      for (let seq = 1; seq <= MESSAGES; seq++) {
        const { state } = stateful(seq);
        if (state === null) expected.delete(`a-${seq % ENTITIES}`);
        else if (state !== undefined) expected.set(`a-${seq % ENTITIES}`, state);
      }
      const ids = Array.from({ length: ENTITIES }, (_, index) => `a-${index}`);
      const states = await wal.actorStates(
        0,
        ids.map((entityId) => ({ entityType: 'account', entityId })),
      );
      expect(states).toEqual(ids.map((id) => expected.get(id)));
      await wal.stop();
    },
  );

  it('change nothing when one of them cannot be: neither lines nor states (I5)', async () => {
    const wal = await startedStore(join(storeFolder(), 'queues.db'));
    const series = await CommitSeries.open(wal);
    await series.commit(...Array.from({ length: 40 }, (_, index) => series.append(index === 30)));
    const all = endings(1, 40, () => ({ state: STATE }));
    await expect(series.commit(...all)).rejects.toThrow(IllegalTransitionError);
    const named = Array.from({ length: 40 }, (_, index) => ({ entityType: 'account', entityId: `a-${index + 1}` }));
    expect((await wal.actorStates(0, named)).every((state) => state === undefined)).toBe(true);
    expect((await wal.counts(0)).pending).toBe(40);
    const started = all.map((each) =>
      each.type === 'complete' && each.seq === 31 ? { ...each, starts: undefined } : each,
    );
    await series.commit(...started);
    expect((await wal.actorStates(0, named)).every((state) => state === STATE)).toBe(true);
    await wal.stop();
  });
});
