/**
 * The end of a simulated life: everything is well again, and time enough passes. Then the second half of the promise is due:
 * every message ends, every caller has an answer, every shard is served, and nothing is left.
 */
import type { ClusterEngine } from '../../cluster/cluster-engine.js';
import { recordFinal } from '../history-recording-wal.js';
import type { SimulatedNode } from './simulated-cluster.js';
import { ENTITY_IDS, GROUPS, type Group, MAIN_TYPES, SLICES } from './simulation-jobs.js';
import type { SimulationLife } from './simulation-life.js';

/** Time that everything may take to come to its end once all is well, milliseconds. */
const LIVENESS_MS = 60_000;

/** Everything is well again, and time enough passes: all that was accepted must come to its end. */
export async function comeToRest(life: SimulationLife): Promise<void> {
  const { cluster } = life;
  cluster.faults.heal();
  serveAll(life);
  await cluster.runtime.advance(9_000);
  await resumeAll(life);
  let passedMs = 0;
  let left = leftToDo(life);
  for (; left.length > 0 && passedMs < LIVENESS_MS; passedMs += 200) {
    serveAll(life);
    life.callers.lookAfterBlocked();
    await cluster.runtime.advance(200);
    left = leftToDo(life);
  }
  if (left.length > 0) life.faults.push(`all is well for ${LIVENESS_MS} ms, and yet: ${left.join('; ')}`);
  cluster.recorder.record({ type: 'quiescent' });
  await recordFinal(cluster.server, cluster.recorder, shards(life));
  life.isEnding = true;
  checkCounts(life);
  for (const member of life.living) life.stop(member);
  await cluster.runtime.advance(6_000);
  const alive = life.members.filter(({ process }) => process.isAlive);
  if (alive.length > 0) life.faults.push(`${alive.map(({ process }) => process.name).join(', ')} did not stop`);
}

/** Somebody has to be there for the messages of each group. */
function serveAll(life: SimulationLife): void {
  for (const [group, serverId] of [
    ['main', 'last0'],
    ['second', 'last1'],
  ] as const) {
    const exists = group === 'main' || life.cluster.state.groups.includes('second');
    const isServed = life.living.some((member) => member.group === group && member.options.handles !== false);
    if (exists && !isServed) life.begin(serverId, group);
  }
}

function resume({ node, recorder }: SimulatedNode, entityType: string, entityId: string): Promise<void> {
  const operation = { action: 'resume', entityType, entityId } as const;
  return recorder.recordOperation(operation, () => node.queueBus.resume(entityType, entityId));
}

async function resumeAll(life: SimulationLife): Promise<void> {
  for (const type of MAIN_TYPES) {
    for (let tries = 0; ; tries += 1) {
      const member = life.living.find(({ process, group }) => process.runs && group === 'main');
      if (member === undefined && tries < 20) {
        // The last one has just stopped, or is still stopped by a signal.
        serveAll(life);
        await life.cluster.runtime.advance(500);
        continue;
      }
      if (member === undefined) {
        life.faults.push(`no node is there that could resume the lines of ${type}`);
        return;
      }
      const resumed = await life.cluster
        .until(Promise.all(ENTITY_IDS.map((id) => resume(member, type, id))), 30_000)
        .then(
          () => true,
          () => false,
        );
      if (resumed) break;
      if (tries < 4) {
        // Perhaps the only one left runs nothing and waits for an owner.
        serveAll(life);
        continue;
      }
      life.faults.push(`the lines of ${type} could not be resumed`);
      return;
    }
  }
}

/** With nothing to do, a node counts nothing: what it forgot to give back would one day refuse good work (I10). */
function checkCounts(life: SimulationLife): void {
  for (const { node, process } of life.living) {
    const { depth, activeWorkers, residentBytes, slots } = (node.engine as ClusterEngine).share;
    const { taken } = slots as unknown as { taken: number };
    if (depth !== 0 || activeWorkers !== 0 || residentBytes !== 0 || taken !== 0) {
      life.faults.push(
        `${process.name} is idle, and counts ${depth} messages, ${activeWorkers} workers, ${residentBytes} bytes and ${taken} handlers at work`,
      );
    }
  }
}

function shards(life: SimulationLife): readonly number[] {
  const groups = life.cluster.state.groups.length;
  return Array.from({ length: groups * SLICES }, (_, shard) => shard);
}

/** In words, what still keeps the cluster from being at rest. */
function leftToDo(life: SimulationLife): string[] {
  const { cluster } = life;
  const left: string[] = [];
  for (const [call, { process, isStopping }] of life.callers.open) {
    if (process.isAlive && !isStopping) left.push(`${call} of ${process.name} has no answer`);
  }
  for (const { process, node } of life.living) if (!node.engine.isIdle) left.push(`${process.name} is not idle`);
  for (const [{ process }, count] of life.callers.working)
    if (process.isAlive && count > 0) left.push(`${count} handlers are at work on ${process.name}`);
  for (const shard of shards(life)) {
    const state = cluster.store.shard(shard);
    const pending = state.line.entries.size + state.delayed.size + state.inbox.length;
    if (pending > 0) left.push(`${pending} messages are in shard ${shard}`);
    if (state.outbox.length > 0) left.push(`${state.outbox.length} messages are in the outbox of shard ${shard}`);
  }
  for (const group of GROUPS) left.push(...unevenness(life, group));
  return left;
}

function unevenness(life: SimulationLife, group: Group): string[] {
  const index = life.cluster.state.groups.indexOf(group);
  if (index < 0) return [];
  const serving = life.living.filter((member) => member.group === group && member.options.handles !== false);
  const counts = serving.map(
    ({ node }) => (node.engine as ClusterEngine).describe().shards.filter(({ state }) => state === 'serving').length,
  );
  const owned = counts.reduce((sum, count) => sum + count, 0);
  if (owned !== SLICES) return [`${owned} of ${SLICES} shards of ${group} are served`];
  return Math.max(...counts) - Math.min(...counts) > 1
    ? [`the shards of ${group} are spread ${counts.join(', ')}`]
    : [];
}
