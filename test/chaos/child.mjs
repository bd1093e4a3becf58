/**
 * A process of the chaos run: a node of the cluster with handlers and callers, or a producer that only sends.
 *
 * Takes its plan as JSON in the first argument, and orders of its parent as messages (see `node-process.mjs`). It writes
 * its history to the file that all processes of a round share, one synchronous append per event, so that a SIGKILL loses
 * nothing that was written and the file has one order.
 */
import { createNode } from '../../dist/bus/node.js';
import { openShared } from '../../dist/bus/open-shared.js';
import { resolveConfig } from '../../dist/runtime/config.js';
import { systemRuntime } from '../../dist/runtime/runtime.js';
import { HistoryRecorder } from '../../dist/testing/history-recorder.js';
import { plantBugs } from './child-bugs.mjs';
import { addHandlers } from './child-handlers.mjs';
import { Load } from './child-load.mjs';
import { Operators } from './child-operators.mjs';
import { recordShared, TaggingSink, watchStalls } from './child-recording.mjs';
import { ENTITIES, isVolatile } from './entities.mjs';

const plan = JSON.parse(process.argv[2]);
const tell = (message) => process.connected && process.send(message, () => {});
const bad = (words) => sink.note({ type: 'bad', words: `${plan.name}: ${words}` });

const sink = new TaggingSink(plan);
const recorder = new HistoryRecorder({ node: plan.name, sink, now: Date.now, life: String(plan.life) });
recorder.start();
watchStalls(sink);

const log = (level) => (words, cause) =>
  sink.note({ type: 'log', level, words, cause: cause instanceof Error ? cause.stack : undefined });
const logger = { debug() {}, info: log('info'), warn: log('warn'), error: log('error') };
plantBugs(plan.bugs);
const config = { ...plan.config, cluster: { ...plan.config.cluster, serverId: plan.name } };
const parts = openShared(resolveConfig(config), systemRuntime, logger);
const wal = recordShared(parts.wal, recorder, sink);
const node = createNode({ config, logger, shared: { ...parts, wal } });
// The store tells of what is in it; of volatile queries the node's own word counts.
const toldByStore = new Set(['accepted', 'retried', 'ended']);
const tells = (name, event) => event.kind === 'command' || isVolatile(event) || !toldByStore.has(name);
recorder.recordLifecycle(
  { on: (name, listener) => node.events.on(name, (event) => tells(name, event) && listener(event)) },
  { durableFacts: false },
);
node.events.on('fatal', ({ error }) => bad(`the node ended by itself: ${error.stack}`));
node.events.on('degraded', ({ reason }) => sink.note({ type: 'degraded', reason }));
node.events.on('recovered', () => sink.note({ type: 'recovered' }));
process.on('unhandledRejection', (error) => bad(`an unhandled rejection: ${error?.stack ?? error}`));
process.on('uncaughtException', (error) => bad(`an uncaught exception: ${error?.stack ?? error}`));

const load = new Load({ node, plan, recorder, sink, bad });
const operators = new Operators({ node, plan, recorder, bad }, load);
if (plan.handles) addHandlers({ node, recorder });

process.on('message', (order) => {
  obey(order).catch((error) => bad(`order ${order.do}: ${error?.stack ?? error}`));
});
// Nobody is left to give orders: the round has ended in some way.
process.on('disconnect', () => process.exit(0));

async function obey(order) {
  switch (order.do) {
    case 'load':
      load.run(order.options);
      if (order.options.operators) operators.run({ types: Object.keys(ENTITIES), ...order.options });
      return;
    case 'tidy':
      operators.tidy();
      return;
    case 'quiet':
      if (!order.tidies) await operators.end();
      await load.end();
      tell({ is: 'quiet' });
      return;
    case 'describe':
      tell({ is: 'description', ...node.engine.describe?.(), phase: node.engine.phase });
      return;
    case 'stall': {
      const endsAt = performance.now() + order.ms;
      while (performance.now() < endsAt);
      tell({ is: 'stalled' });
      return;
    }
    case 'stop': {
      const ended = Promise.all([load.end(), operators.end()]);
      const report = await node.stop();
      await ended;
      recorder.record({ type: 'nodeStopped' });
      tell({ is: 'stopped', drained: report.drained, abandoned: report.abandoned.length, pending: report.pending });
      setTimeout(() => process.exit(0), 20);
    }
  }
}

try {
  await node.start();
  tell({ is: 'started' });
} catch (error) {
  bad(`the start failed: ${error?.stack ?? error}`);
  tell({ is: 'failed', words: String(error?.message ?? error) });
}
