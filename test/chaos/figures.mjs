/** Times read from a merged history: how long entities waited for what happened to their nodes and servers. */

const BUCKET_MS = 100;
/** The rate before an outage is that of these milliseconds; it is back when half of it is. */
const RATE_MS = 2_000;
const BACK_SHARE = 0.5;
/** Entities that a steady load keeps busy. */
const STEADY = /^plain\/s\d+$/;

/** `kills`: `{node, at}`; `leaves`: `{node, at, doneAt}`; `outages`: `{from, at, what}`. All times in milliseconds. */
export function figuresOf(history, { kills = [], leaves = [], outages = [] }) {
  const starts = startsOf(history);
  return {
    takeoverMs: kills.flatMap((kill) => takeovers(history, starts, kill)),
    pauseMs: leaves.flatMap((leave) => pauses(starts, leave)),
    backMs: outages.map((outage) => backAfter(history, outage)).filter((ms) => ms !== undefined),
    interruptedByLeave: leaves.length === 0 ? 0 : interruptedIn(history, leaves),
  };
}

function startsOf(history) {
  const shardOf = new Map();
  const ends = new Map();
  const starts = [];
  for (const event of history) {
    if (event.type === 'dispatched') shardOf.set(event.id, event.shard);
    if (event.type === 'handlerEnded') ends.set(`${event.id}/${event.attempt}`, event.at);
    if (event.type === 'started') starts.push(event);
  }
  return starts.map(({ id, attempt, node, at, entityType, entityId }) => ({
    entity: `${entityType}/${entityId}`,
    shard: shardOf.get(id),
    node,
    at,
    endAt: ends.get(`${id}/${attempt}`) ?? at,
  }));
}

/**
 * For each shard that the killed node had, or each entity of it that runs all the time: from the kill to the next start on
 * another node.
 */
function takeovers(history, starts, { node, at }) {
  const owners = new Map();
  for (const event of history) {
    if (event.type !== 'opened' || event.at > at) continue;
    owners.set(event.shard, event.node);
  }
  const lines = new Map();
  for (const start of starts) {
    if (owners.get(start.shard) !== node) continue;
    const name = STEADY.test(start.entity) ? start.entity : `shard ${start.shard}`;
    const line = lines.get(name) ?? [];
    line.push(start);
    lines.set(name, line);
  }
  return [...lines.values()].flatMap((line) => {
    const next = line.find((start) => start.at > at);
    // The killed node itself may have been back before anyone needed to take the shard.
    return next === undefined || next.node === node ? [] : [next.at - at];
  });
}

/** For each entity that runs all the time: the longest time around the leave in which none of its handlers was at work. */
function pauses(starts, { node, at, doneAt }) {
  const lines = new Map();
  for (const start of starts) {
    if (start.at < at - 500 || start.at > doneAt + 1_000) continue;
    const line = lines.get(start.entity) ?? [];
    line.push(start);
    lines.set(start.entity, line);
  }
  return [...lines.values()].flatMap((line) => {
    if (!line.some((start) => start.node === node && start.at < at + 200) || line.length < 10) return [];
    return [Math.max(...line.slice(1).map((start, index) => start.at - line[index].endAt))];
  });
}

/** From when the server took writes again until half of the completions per second of before was reached. */
function backAfter(history, { from, at }) {
  const ended = history.flatMap((event) => (event.type === 'ended' && event.at > from - RATE_MS ? [event.at] : []));
  const before = ended.filter((time) => time < from).length / RATE_MS;
  if (before === 0) return undefined;
  for (let bucket = 0; bucket < 300; bucket += 1) {
    const beginsAt = at + bucket * BUCKET_MS;
    const done = ended.filter((time) => time >= beginsAt && time < beginsAt + 3 * BUCKET_MS).length;
    if (done >= BACK_SHARE * before * 3 * BUCKET_MS) return bucket * BUCKET_MS;
  }
  return undefined;
}

function interruptedIn(history, leaves) {
  return history.filter(
    ({ type, state, reason, at }) =>
      ((type === 'ended' && state === 'interrupted') || (type === 'retried' && reason === 'interrupted')) &&
      leaves.some((leave) => at >= leave.at && at <= leave.doneAt + 3_000),
  ).length;
}

/** `{count, p50, p99, max}`. */
export function spread(values) {
  if (values.length === 0) return { count: 0, p50: 0, p99: 0, max: 0 };
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]);
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}
