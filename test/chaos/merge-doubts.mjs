/**
 * Commits whose answer never came, from an owner that lived on: whether the store has applied them is read from what
 * happened to their messages afterwards. Of a commit that someone sent again and got confirmed, nothing is in doubt.
 */

/** What only the store can have said. */
const SIGNS = /^(dispatched|retried|ended|promoted|accepted|unblocked|replayed|purged)$/;

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
  const signs = signsOf(
    log,
    new Set(doubts.flatMap(({ event }) => event.wishes.flatMap(({ id, newId }) => [id, newId]))),
  );
  const decided = new Set();
  return doubts.flatMap(({ event, position }) =>
    event.wishes.flatMap(({ t, id, newId, call, unstarted }) => {
      const { node, at, seq } = { ...event, seq: 1 };
      const told = { node, at, seq };
      const fact = (found) => [{ place: position + 0.5, event: { ...found, ...told } }];
      const known = signs.get(id) ?? [];
      const next = known.find((sign) => sign.position > position);
      const once = `${t} ${id} ${event.number}`;
      if (id === undefined || decided.has(once)) return [];
      decided.add(once);
      const isGone = next === undefined && !left.has(id) && !known.some(({ type }) => type === 'ended');
      if (t === 'complete' && isGone) return fact({ type: 'ended', id, state: 'completed' });
      if (t === 'cancel' && isGone) return fact({ type: 'ended', id, state: 'cancelled' });
      // Whoever started it later may have buried it and died before telling.
      const isBuried =
        next === undefined && letters.get(id) === 'failed' && !known.some(({ type }) => type === 'ended');
      if (t === 'fail' && isBuried && !decided.has(`fail ${id}`)) {
        decided.add(`fail ${id}`);
        return fact({ type: 'ended', id, state: 'failed' });
      }
      const runsAgain = next?.type === 'dispatched' || (next === undefined && left.has(id));
      if (t === 'retry' && runsAgain) {
        return fact({ type: 'retried', id, reason: 'failed', unstarted });
      }
      if (t === 'unblock' && next?.type === 'dispatched') return fact({ type: 'unblocked', id });
      const wasLetter = next?.type === 'replayed' || next?.type === 'purged';
      const isLetter = next === undefined && letters.has(id);
      if (t === 'skip' && (wasLetter || isLetter) && !known.some(({ type }) => type === 'ended')) {
        return fact({ type: 'ended', id, state: letters.get(id) ?? 'failed' });
      }
      if (t === 'replay' && (signs.has(newId) || left.has(newId)) && !known.some(({ type }) => type === 'replayed')) {
        return fact({ type: 'replayed', id, newId });
      }
      if (t === 'append' && call !== undefined && (next !== undefined || left.has(id))) {
        return fact({ type: 'linked', call, id });
      }
      return [];
    }),
  );
}

/** What the store has said of these messages. */
function signsOf(log, ids) {
  const signs = new Map();
  log.forEach(({ type, id }, position) => {
    if (!ids.has(id) || !SIGNS.test(type)) return;
    const list = signs.get(id) ?? [];
    list.push({ type, position });
    signs.set(id, list);
  });
  return signs;
}
