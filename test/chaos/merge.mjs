/**
 * Puts the log of a round in the order of the store, for the history checker. The log has one order already, that of the
 * appends; but a process tells what it hears, and may hear it late: it was stopped, or its connection stood still. What
 * the store did for it was done before the store gave the shard to the next owner.
 *
 * - The news of a commit that was sent before a newer opening of its shard stands before that opening.
 * - An answer that a waiter read from the store stands behind the verdict, when the owner's commit was on its way.
 * - A handler of a process that stood still (SIGSTOP, or a blocked event loop) counts as given up when another node opens
 *   its shard; so does what its process tells of it later.
 * - What a process had noted, but not written, when it was stopped stands where it was noted.
 * - A volatile query has its caller from its acceptance on, and runs in the shard that its start names.
 * - What a commit did whose answer was lost for good is read from what came after (`merge-doubts.mjs`).
 *
 * Nothing else is moved or forgiven: a commit that was sent after the newer opening, or a handler of a process that could
 * have known, stays where it is, and the checker finds it.
 */
import { withAliases } from './merge-aliases.mjs';
import { factsOfDoubts } from './merge-doubts.mjs';

const NOTES = new Set([
  'frozen',
  'thawed',
  'stalled',
  'doubt',
  'bad',
  'log',
  'degraded',
  'recovered',
  'fault',
  'places',
]);
/** How much earlier than it was noticed a stall may have begun, milliseconds. */
const STALL_SLACK_MS = 100;

/** `{history, notes}`; `finalEvents` are what the store holds at the end. */
export function mergeLog(lines, finalEvents) {
  const log = withCallers(withAliases(lines));
  const notes = log.filter(({ type }) => NOTES.has(type));
  const placed = log.map((event, index) => ({ event, place: index, index }));
  const index = indexOf(log);
  moveLateNews(placed, index);
  moveUnwritten(placed, log);
  moveEarlyAnswers(placed, log, index);
  for (const { place, event } of factsOfDoubts(log, index, finalEvents)) placed.push({ event, place, index: place });
  placed.sort((a, b) => a.place - b.place || a.index - b.index);
  const told = giveUpStanding(placed.map(({ event }) => event));
  return { history: renumbered([...told, ...finalEvents]), notes };
}

/** The handler of a volatile query tells whose question it is; its place in line is compared with calls before that. */
function withCallers(log) {
  const callOf = new Map(log.flatMap(({ type, id, call }) => (type === 'linked' ? [[id, call]] : [])));
  return log.map((event) => {
    const { type, kind, id } = event;
    const isTold = type === 'accepted' && kind === 'query' && event.call === undefined && callOf.has(id);
    return isTold ? { ...event, call: callOf.get(id) } : event;
  });
}

/** Where commits were sent, what they brought, and where shards were opened. */
function indexOf(log) {
  const called = new Map();
  const firstCalled = new Map();
  const openings = new Map();
  const groups = new Map();
  log.forEach((event, position) => {
    if (event.type === 'commitCalled') {
      const commit = `${event.shard}/${event.epoch}/${event.number}`;
      called.set(commit, position);
      if (!firstCalled.has(commit)) firstCalled.set(commit, position);
    }
    if (event.type === 'opened') {
      const list = openings.get(event.shard) ?? [];
      list.push({ position, epoch: event.epoch });
      openings.set(event.shard, list);
    }
    if (event.via !== undefined) {
      const group = groups.get(event.via) ?? [];
      group.push(position);
      groups.set(event.via, group);
    }
  });
  return { called, firstCalled, openings, groups };
}

function moveLateNews(placed, { called, openings, groups }) {
  for (const [via, positions] of groups) {
    const [shard, epoch] = via.split('/').map(Number);
    const newer = openings.get(shard)?.find((opening) => opening.epoch > epoch);
    if (newer === undefined || (called.get(via) ?? Number.POSITIVE_INFINITY) > newer.position) continue;
    // Some of it may have been written in time: a process can be stopped between two lines.
    for (const position of positions) if (position > newer.position) placed[position].place = newer.position - 0.5;
  }
}

/** A process that is stopped in the middle of a note writes it when it goes on, with the time at which it made it. */
function moveUnwritten(placed, log) {
  const stalls = log.filter(({ type }) => type === 'stalled');
  const last = new Map();
  let latest = 0;
  log.forEach(({ type, node, seq, at, via }, position) => {
    if (!(seq > 0)) return;
    // It stood still as soon as it had made the note, and others were far ahead when it was written.
    const stood = stalls.some(
      (stall) =>
        stall.node === node && Math.abs(at - (stall.at - stall.ms)) <= STALL_SLACK_MS && latest - at > stall.ms / 2,
    );
    // What the store did for it has its place by the commit, or by the opening.
    if (stood && via === undefined && type !== 'opened') {
      let noted = position - 1;
      while (noted >= 0 && !(log[noted].seq > 0 && (noted === last.get(node) || log[noted].at <= at))) noted -= 1;
      placed[position].place = placed[Math.max(0, noted)].place + 0.1;
    } else last.set(node, position);
    latest = Math.max(latest, at);
  });
}

function moveEarlyAnswers(placed, log, { firstCalled }) {
  const idOfCall = new Map();
  const ended = new Map();
  log.forEach((event, position) => {
    if (event.call !== undefined && event.id !== undefined && !idOfCall.has(event.call)) {
      idOfCall.set(event.call, event.id);
    }
    if (event.type === 'ended' && !ended.has(event.id)) ended.set(event.id, position);
  });
  log.forEach((event, position) => {
    if (event.type !== 'answered') return;
    const verdict = ended.get(event.id ?? idOfCall.get(event.call));
    if (verdict === undefined || placed[verdict].place < position) return;
    // It may have been sent again since: what the first one did, the store could tell.
    if ((firstCalled.get(log[verdict].via) ?? Number.POSITIVE_INFINITY) > position) return;
    placed[position].place = placed[verdict].place + 0.25;
  });
}

/** Walks along the log with what runs where. */
function giveUpStanding(events) {
  const stalls = events.filter(({ type }) => type === 'stalled');
  const shardOf = new Map();
  const running = new Map();
  const frozen = new Set();
  const givenUp = new Set();
  /** Messages whose last run was given up: of a volatile query the owner may still say how that ended. */
  const leftOver = new Set();
  const told = [];
  const stands = (node, at) =>
    frozen.has(node) ||
    stalls.some((stall) => stall.node === node && at > stall.at - stall.ms - STALL_SLACK_MS && at <= stall.at);
  for (const event of events) {
    const run = `${event.id}/${event.attempt}`;
    switch (event.type) {
      case 'frozen':
        frozen.add(event.node);
        continue;
      case 'thawed':
        // It has not done anything yet; its first sign says that it is awake.
        continue;
      case 'dispatched':
        shardOf.set(event.id, event.shard);
        break;
      case 'started':
        running.set(run, {
          node: event.node,
          shard: shardOf.get(event.id) ?? event.inShard,
          id: event.id,
          attempt: event.attempt,
        });
        leftOver.delete(event.id);
        break;
      case 'ended':
        if (event.via === undefined && leftOver.has(event.id)) continue;
        break;
      case 'handlerEnded':
      case 'abandoned':
        running.delete(run);
        if (givenUp.has(run)) {
          frozen.delete(event.node);
          continue;
        }
        break;
      case 'crashed':
      case 'nodeStarted':
      case 'nodeStopped':
        frozen.delete(event.node);
        for (const [key, { node }] of running) if (node === event.node) running.delete(key);
        break;
      case 'opened':
        for (const [key, { node, shard, id, attempt }] of running) {
          if (shard !== event.shard || !stands(node, event.at)) continue;
          running.delete(key);
          givenUp.add(key);
          leftOver.add(id);
          told.push({ type: 'abandoned', node, id, attempt, seq: 1, at: event.at });
        }
        break;
    }
    if (NOTES.has(event.type)) continue;
    if (event.seq > 0 && event.via === undefined) frozen.delete(event.node);
    const { via: _, inShard: _shard, ...plain } = event;
    told.push(plain);
  }
  return told;
}

/** Each life of a node counts from 1 again, in the new order. */
function renumbered(events) {
  const counts = new Map();
  return events.map((event) => {
    if (event.type === 'crashed' || event.type === 'final') return { ...event, seq: 0 };
    const seq = event.type === 'nodeStarted' ? 1 : (counts.get(event.node) ?? 0) + 1;
    counts.set(event.node, seq);
    return { ...event, seq };
  });
}
