/**
 * How a process writes its history: every event with the commit that it comes from, commits whose fate is not known, and
 * times at which the process stood still. `merge.mjs` needs them to put the news of several processes in order.
 */
import { entityKey } from '../../dist/message/entity-key.js';
import { sliceOf } from '../../dist/message/shard-of.js';
import { HistoryFile } from '../../dist/testing/history-log.js';
import { recordWal } from '../../dist/testing/history-recording-wal.js';

/** A process that did nothing for this long has stood still, milliseconds. */
const STALL_MS = 300;
/** Of the one service group that there is. */
const SHARDS = 16;
const TICK_MS = 50;
const TELLS_PLACES = process.env.AQ_CHAOS_PLACES === '1';

export class TaggingSink {
  #file;
  #node;
  #commit;

  constructor(plan) {
    this.#file = new HistoryFile(plan.history);
    this.#node = plan.name;
  }

  append(event) {
    if (event.type === 'committed') {
      const { shard, epoch, number } = event;
      this.#commit = `${shard}/${epoch}/${number}`;
      // The facts of a commit are written in one go after it.
      queueMicrotask(() => {
        this.#commit = undefined;
      });
    }
    if (event.type === 'started') {
      // A query that is in no store has no mark that would tell it.
      const inShard = sliceOf(entityKey(event.entityType, event.entityId), SHARDS);
      this.#file.append({ ...event, inShard });
    } else this.#file.append(this.#commit === undefined ? event : { ...event, via: this.#commit });
  }

  /** Something that is no event of a history; `seq` 0 marks it. */
  note(fact) {
    this.#file.append({ ...fact, node: this.#node, seq: 0, at: Date.now() });
  }
}

/** The write-ahead log with a recorder around it. Each opening has a recorder of its own: places are never mixed up. */
export function recordShared(wal, recorder, sink) {
  const owned = new Map();
  const callOf = (envelope) => JSON.parse(envelope.payload).call;
  const own = {
    open: async (shard, incarnation, claim) => {
      const inner = new Proxy(wal, {
        get: (target, name) =>
          name === 'open' ? () => target.open(shard, incarnation, claim) : boundTo(target, target[name]),
      });
      const recorded = recordWal(inner, recorder, callOf);
      const opened = await recorded.open(shard, incarnation);
      owned.set(incarnation, recorded);
      return opened;
    },
    commit: async (request) => {
      const recorded = owned.get(request.incarnation);
      try {
        const answer = await recorded.commit(request);
        if (TELLS_PLACES) sink.note({ type: 'places', ...placesOf(request, answer) });
        return answer;
      } catch (error) {
        const { shard, epoch, number } = request;
        const places = recorded.places.get(shard);
        const wishes = request.transitions.map((wish) => ({
          t: wish.type,
          id: wish.message?.id ?? wish.id ?? places?.get(wish.seq)?.id,
          newId: wish.newId,
          unstarted: wish.unstarted,
          call: wish.message === undefined ? undefined : callOf(wish.message),
        }));
        const { name, message, applied } = error;
        sink.note({ type: 'doubt', shard, epoch, number, error: `${name}: ${message}`, applied, wishes });
        throw error;
      }
    },
  };
  return new Proxy(wal, { get: (target, name) => own[name] ?? boundTo(target, target[name]) });
}

/** For looking into a violation: which place each new message got. */
function placesOf({ shard, number, transitions }, { taken, outcomes }) {
  return {
    shard,
    number,
    taken: taken.map(({ offer, message }) => [offer.transition.message?.id, message?.seq]),
    own: transitions.flatMap(({ type, message, dispatch }, index) =>
      type === 'append' ? [[message.id, dispatch, outcomes[index].seq, outcomes[index].dispatched]] : [],
    ),
  };
}

function boundTo(target, value) {
  return typeof value === 'function' ? value.bind(target) : value;
}

/** Notes when the event loop stood still: what the process was doing then stood still as well. */
export function watchStalls(sink) {
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - last > STALL_MS) sink.note({ type: 'stalled', ms: Math.round(now - last) });
    last = now;
  }, TICK_MS);
  timer.unref();
}
