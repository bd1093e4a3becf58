/**
 * An application in a process of its own for `cli.test.ts`, on the built package: `node cli-app.mjs <store>` under `fork`.
 * It answers one message at a time: `{ ask, … }` in, the result out.
 *
 * A message with `fails` fails until the application is told to `heal`; all others complete and are remembered in order.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createNode } from '../../dist/core.js';

const [path] = process.argv.slice(2);
const node = createNode({ config: { store: { path }, maxTotalQueueDepth: 0 } });
const delay = monitorEventLoopDelay({ resolution: 1 });
const commitMs = [];
let healed = false;
let completed = [];
let load;

node.handle('job', 'Step', ({ n, fails }, { entityId }) => {
  if (fails && !healed) throw new Error(`step ${n} fails`);
  completed.push([entityId, n]);
});
node.events.on('committed', ({ durationMs }) => commitMs.push(durationMs));
await node.start();

/** Keeps messages on their way to their own entities until stopped; resolves to how many were accepted. */
async function keepBusy(stopped) {
  let sent = 0;
  while (!stopped()) {
    const batch = Array.from({ length: 50 }, () => {
      sent += 1;
      return node.queueBus.enqueue('job', 'Step', `load-${sent % 97}`, { n: sent });
    });
    await Promise.all(batch);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return sent;
}

const answers = {
  /** Makes dead letters 1 to `count`, spread over `entities` entities. */
  async fail({ count, entities }) {
    for (let start = 0; start < count; start += 1000) {
      const size = Math.min(1000, count - start);
      await Promise.all(
        Array.from({ length: size }, (_, index) => {
          const n = start + index + 1;
          return node.queueBus.enqueue('job', 'Step', `e-${n % entities}`, { n, fails: true });
        }),
      );
    }
    await node.whenIdle();
    return node.deadLetters.count();
  },
  heal() {
    healed = true;
  },
  startLoad() {
    let stop = false;
    const done = keepBusy(() => stop);
    load = { stop: () => void (stop = true), done };
  },
  async stopLoad() {
    load.stop();
    return load.done;
  },
  async enqueue({ entityId, n }) {
    await node.queueBus.enqueue('job', 'Step', entityId, { n });
  },
  measure() {
    commitMs.length = 0;
    delay.enable();
    delay.reset();
  },
  measured() {
    delay.disable();
    const sorted = commitMs.toSorted((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return {
      commits: sorted.length,
      commitMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
      eventLoopDelayMs: { p99: delay.percentile(99) / 1e6, p999: delay.percentile(99.9) / 1e6, max: delay.max / 1e6 },
    };
  },
  async settle() {
    await node.whenIdle();
    const result = { completed, counts: await node.wal.counts(0) };
    completed = [];
    return result;
  },
  async stop() {
    await node.stop();
  },
};

async function answer({ ask, ...rest }) {
  const result = await answers[ask](rest);
  process.send({ result }, () => {
    if (ask === 'stop') process.disconnect();
  });
}

process.on('message', (question) => void answer(question));
process.send({ result: 'ready' });
