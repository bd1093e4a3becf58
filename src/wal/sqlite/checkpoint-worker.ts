/**
 * What the checkpoint thread runs, as plain JavaScript text: so it needs no file of its own and works from sources, from
 * the built package and in a bundle alike.
 *
 * `copy`: copies the log into the store while commits go on. A second connection keeps a snapshot open meanwhile, so that
 *   the log cannot start over under the main thread, which would then have to flush its header.
 * `finish`: sent while commits are held: copies the rest, lets the log start over, and makes the first write of the new
 *   round itself, which is the write that flushes. The file keeps its length and is written over,
 *   unless it has grown far past its size, because of a reader that took long: then that write cuts it.
 * `inbox`: copies the inbox's log and cuts it to nothing, in one go.
 */
export const CHECKPOINT_WORKER = `
'use strict';
const { parentPort, workerData } = require('node:worker_threads');
const { DatabaseSync } = require(workerData.module);
const ROUNDS_MAX = 6;
const REST_FRAMES_MAX = 256;

function open(path, logBytesMax) {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA busy_timeout = 0; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -512; PRAGMA journal_size_limit = ' + logBytesMax);
  return db;
}
const store = open(workerData.path, workerData.logBytesMax);
const keeper = open(workerData.path, -1);
const inbox = open(workerData.inboxPath, -1);
const passive = store.prepare('PRAGMA wal_checkpoint(PASSIVE)');
const restart = store.prepare('PRAGMA wal_checkpoint(RESTART)');
const firstWrite = store.prepare('UPDATE upkeep SET log_restarts = log_restarts + 1 WHERE one = 1');
const look = keeper.prepare('SELECT log_restarts FROM upkeep');
let keeping = false;

function keep() {
  let before;
  if (keeping) keeper.exec('END');
  keeper.exec('BEGIN');
  keeping = true;
  look.get();
}
function letGo() {
  if (keeping) keeper.exec('END');
  keeping = false;
}

const work = {
  copy() {
    let frames = 0;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      keep();
      const { log } = passive.get();
      const grown = log - frames;
      frames = log;
      if (grown <= REST_FRAMES_MAX) break;
    }
  },
  finish() {
    letGo();
    const { busy } = restart.get();
    if (busy === 0) firstWrite.run();
    return { restarted: busy === 0 };
  },
  inbox() {
    inbox.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
  },
  stop() {
    letGo();
    store.close();
    keeper.close();
    inbox.close();
    parentPort.close();
  },
};

parentPort.on('message', (step) => {
  try {
    const result = work[step]();
    parentPort.postMessage({ step, ...result });
  } catch (error) {
    try {
      letGo();
    } catch {}
    parentPort.postMessage({ step, failed: String(error && error.message) });
  }
});
`;
