/**
 * The embedded store as commands use it. They read as a reader and hand in wishes; only while no application owns the
 * store one takes its place for the moment that taking them in needs.
 */
import { statSync } from 'node:fs';
import { systemRuntime } from '../runtime/runtime.js';
import { defaultDriver } from '../wal/sqlite/driver.js';
import { isBusy } from '../wal/sqlite/errors.js';
import { SqliteWal } from '../wal/sqlite/sqlite-wal.js';
import type { CommandStore } from './command-store.js';
import { NotDoneError, UsageError } from './console-io.js';

const LOCK_LOOK_MS = 100;
/** More commits than any inbox needs: at a thousand offers each, a hundred million offers. */
const COMMITS_MAX = 100_000;

/** Opens an existing store for reading and offering, and closes it whatever happens. Never makes one. */
export async function withFileStore<T>(path: string, work: (store: CommandStore) => Promise<T>): Promise<T> {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined || (stats.isFile() && stats.size === 0)) {
    throw new UsageError(
      `There is no store at ${path}. Name its file with --path or ATOMIC_QUEUES_PATH, or run this in the folder that the application runs in.`,
    );
  }
  // What is resolved here is told to a person as done, so it must also survive a power failure.
  const wal = new SqliteWal({ path, role: 'reader', durability: 'fsync' });
  await wal.start();
  try {
    return await work({
      name: path,
      wal,
      shards: [0],
      takeIn: (_shard, session, number) => takeInWithoutOwner(path, session, number),
      oneAtATime: (timeoutMs, waiting, change) => oneAtATime(path, timeoutMs, waiting, change),
    });
  } finally {
    await wal.stop();
  }
}

/**
 * Takes in what lies in the inbox if no application owns the store, and gives the store up again at once. Starts and
 * interrupts no message: what was marked as started stays so, and a store that its last owner did not release stays
 * unreleased, so that the application's next start still sees that it crashed. False when an owner is at work.
 */
async function takeInWithoutOwner(path: string, session: string, number: number): Promise<boolean> {
  // How many verdicts are kept is the application's to decide; this process forgets none.
  const retention = { verdictsMax: Number.MAX_SAFE_INTEGER };
  const wal = new SqliteWal({ path, durability: 'fsync', retention });
  try {
    await wal.start();
  } catch (error) {
    if (isBusy((error as Error).cause)) return false;
    throw error;
  }
  try {
    const incarnation = systemRuntime.freshId();
    const { epoch, clean } = await wal.open(0, incarnation);
    for (let commit = 1; commit <= COMMITS_MAX && (await wal.offerMark(0, session)) < number; commit++) {
      await wal.commit({ shard: 0, epoch, incarnation, number: commit, transitions: [] });
    }
    if (clean) await wal.release(0, epoch, incarnation);
    return true;
  } finally {
    await wal.stop();
  }
}

/**
 * Runs `work` while no other `atomic-queues` command changes the same store, so that each letter is counted by the one
 * that moved it. The lock is SQLite's on an empty file beside the store: it goes with the process.
 */
async function oneAtATime<T>(path: string, timeoutMs: number, waiting: () => void, work: () => Promise<T>): Promise<T> {
  const db = defaultDriver().open(`${path}-cli`, { readOnly: false });
  try {
    const giveUpAt = performance.now() + timeoutMs;
    let told = false;
    for (;;) {
      try {
        db.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE;');
        break;
      } catch (error) {
        if (!isBusy(error)) throw error;
      }
      if (performance.now() >= giveUpAt) {
        throw new NotDoneError(
          `Another atomic-queues command has been changing this store for ${timeoutMs / 1000} s. Try again when it is done, or wait longer with --timeout.`,
        );
      }
      if (!told) waiting();
      told = true;
      await new Promise((done) => setTimeout(done, LOCK_LOOK_MS));
    }
    return await work();
  } finally {
    db.close();
  }
}
