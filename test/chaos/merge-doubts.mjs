/**
 * Commits whose answer never came, from an owner that lived on: whether the store has applied them is read from what
 * happened to their messages afterwards. Of a commit that someone sent again and got confirmed, nothing is in doubt.
 */

/** Events that the store must have seen to, at their places in the log. */
export function factsOfDoubts(log, { groups, firstCalled, openings }, finalEvents) {
  const doubts = log.flatMap((event) => {
    if (event.type !== 'doubt') return [];
    const commit = `${event.shard}/${event.epoch}/${event.number}`;
    const position = firstCalled.get(commit);
    const newer = openings.get(event.shard)?.find((opening) => opening.epoch > event.epoch);
    // Whatever it did, it did after it was sent for the first time, and before anyone else opened the shard.
    if (groups.has(commit) || (newer !== undefined && newer.position < position)) return [];
    return [{ event, position }];
  });
  if (doubts.length === 0) return [];
  const letters = new Map(finalEvents.flatMap(({ deadLetters }) => deadLetters.map(({ id, reason }) => [id, reason])));
  const left = new Set([...finalEvents.flatMap(({ pending }) => pending), ...letters.keys()]);
  const signs = signsOf(log, new Set(doubts.flatMap(({ event }) => event.wishes.map(({ id }) => id))));
  const decided = new Set();
  return doubts.flatMap(({ event, position }) =>
    event.wishes.flatMap(({ t, id, call, unstarted }) => {
      const { node, at, seq } = { ...event, seq: 1 };
      const told = { node, at, seq };
      const known = signs.get(id) ?? [];
      const next = known.find((sign) => sign.position > position);
      const once = `${t} ${id} ${event.number}`;
      if (id === undefined || decided.has(once)) return [];
      decided.add(once);
      const isGone = next === undefined && !left.has(id) && !known.some(({ type }) => type === 'ended');
      if (t === 'complete' && isGone) {
        return [{ place: position + 0.5, event: { type: 'ended', id, state: 'completed', ...told } }];
      }
      // Whoever started it later may have buried it and died before telling.
      const isBuried =
        next === undefined && letters.get(id) === 'failed' && !known.some(({ type }) => type === 'ended');
      if (t === 'fail' && isBuried && !decided.has(`fail ${id}`)) {
        decided.add(`fail ${id}`);
        return [{ place: position + 0.5, event: { type: 'ended', id, state: 'failed', ...told } }];
      }
      const runsAgain = next?.type === 'dispatched' || (next === undefined && left.has(id));
      if (t === 'retry' && runsAgain) {
        return [{ place: position + 0.5, event: { type: 'retried', id, reason: 'failed', unstarted, ...told } }];
      }
      if (t === 'append' && call !== undefined && (next !== undefined || left.has(id))) {
        return [{ place: position + 0.5, event: { type: 'linked', call, id, ...told } }];
      }
      return [];
    }),
  );
}

/** What the log says of these messages that only the store can have said. */
function signsOf(log, ids) {
  const signs = new Map();
  log.forEach(({ type, id }, position) => {
    if (!ids.has(id) || !/^(dispatched|retried|ended|promoted|accepted)$/.test(type)) return;
    const list = signs.get(id) ?? [];
    list.push({ type, position });
    signs.set(id, list);
  });
  return signs;
}
