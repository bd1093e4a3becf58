/**
 * The process that gets killed: an engine on a SQLite store under load, or (`drain`) one that finishes what is left.
 *
 * Takes its plan (`ChildPlan` in `plan.ts`) as JSON in the first argument. Writes the history and the effects log of the
 * folder, and tells its parent how far it is by single letters on file descriptor 3:
 * `i` imported, `o` about to open, `s` started, `.` sixteen more events, `x` about to stop, `h` halted and waiting for
 * its end. All of it is written synchronously, so that what was said before the kill is there after it.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { createNode } from 'atomic-queues/core';
import { SqliteWal } from 'atomic-queues/sqlite';
import { HistoryFile, HistoryRecorder, recordFinal, recordWal } from 'atomic-queues/testing';
import { EffectsFile } from './effects-file.mjs';
import { addHandlers } from './handlers.mjs';
import { Load } from './load.mjs';
import { HeldClock, lyingWal } from './lying-wal.mjs';

const plan = JSON.parse(process.argv[2]);
const tell = (letter) => writeSync(3, letter);

/** Passes the history on to its file, tells the parent of its growth, and halts or stops the process at given events. */
class WatchedHistory {
  #file = new HistoryFile(join(plan.folder, 'history.jsonl'));
  #count = 0;
  #haltAt = plan.haltAtEvent;
  onStop = () => {};

  append(event) {
    this.#file.append(event);
    this.#count += 1;
    if (this.#count % 16 === 0) tell('.');
    if (this.#count === plan.stopAtEvent) setImmediate(() => this.onStop());
    if (this.#count === this.#haltAt) halt();
  }

  stopping() {
    if (plan.haltAfterStop !== undefined) this.#haltAt = this.#count + plan.haltAfterStop;
  }
}

/** Stands still for ever in the middle of whatever is going on, for the parent to end it exactly here. */
function halt() {
  tell('h');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/** The recorder takes what it hears about queries from the engine; about durable ones it hears from the store already. */
function withoutDurableQueries(events) {
  const told = new Set(['accepted', 'retried', 'ended']);
  return {
    on: (name, listener) =>
      events.on(name, (event) => {
        if (!told.has(name) || plan.config.entities[event.entityType].queries !== 'durable') listener(event);
      }),
  };
}

tell('i');
const history = new WatchedHistory();
const effects = new EffectsFile(join(plan.folder, 'effects.jsonl'));
const recorder = new HistoryRecorder({ node: 'node', sink: history, now: Date.now });
recorder.start();

const heldClock = plan.bug === undefined ? undefined : new HeldClock();
const store = new SqliteWal({
  path: join(plan.folder, 'store.db'),
  durability: plan.durability,
  logBytes: plan.logBytes,
  verifyLineOrder: plan.verifyLineOrder,
  ...(heldClock !== undefined && { clock: heldClock }),
});
const callOf = (envelope) => JSON.parse(envelope.payload).call;
const wal = recordWal(heldClock === undefined ? store : lyingWal(store, plan.bug, heldClock), recorder, callOf);
const bad = (words) => effects.append({ a: 'error', words });
const node = createNode({
  wal,
  config: plan.config,
  logger: {
    debug() {},
    info() {},
    warn() {},
    error: (words, error) => bad(`the engine logged an error: ${words} ${error?.stack ?? ''}`),
  },
});
recorder.recordLifecycle(withoutDurableQueries(node.events), { durableFacts: false });
const load = new Load({ node, plan, recorder, effects, bad });
addHandlers({ node, plan, recorder, effects, load });

tell('o');
if (plan.mode === 'drain') await drain();
else await work();

async function work() {
  const stopped = new Promise((resolve) => {
    history.onStop = () => {
      tell('x');
      history.stopping();
      resolve(node.stop());
    };
  });
  // What is handed in while the node still opens, and while it has not started, stands in line behind what it recovers.
  const early = [load.burst(plan.earlyCalls, true)];
  let clients = [];
  try {
    await node.open();
    early.push(load.burst(plan.earlyCalls, false));
    await node.start();
    tell('s');
    clients = load.run();
  } catch (error) {
    // The stop may come first.
    load.expected(error, 'the start');
  }
  const report = await stopped;
  load.end();
  await Promise.all([...early, ...clients]);
  if (report.pending < 0) bad(`the stop reports ${report.pending} pending messages`);
  recorder.record({ type: 'nodeStopped' });
}

async function drain() {
  await node.start();
  tell('s');
  await load.resumeAll();
  // A poll and no event: what the engine says about itself is not believed here.
  while ((await store.counts(0)).pending > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await node.whenIdle();
  recorder.record({ type: 'quiescent' });
  await recordFinal(store, recorder, [0]);
  tell('x');
  await node.stop();
  recorder.record({ type: 'nodeStopped' });
}
