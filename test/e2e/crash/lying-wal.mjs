/**
 * Planted bugs: a store that says "durable" too early, for the test that the judges notice. Works on a fresh store only.
 *
 * `forget`: after some commits, nothing reaches the disk any more.
 * `forget-starts`: messages reach the disk, but not that they have started.
 */
import { MemoryWal } from '../../../dist/wal/memory/memory-wal.js';

const HONEST_COMMITS = 40;

export function lyingWal(store, bug) {
  const memory = new MemoryWal({ clock: { now: Date.now }, clusterId: 'memory' });
  let commits = 0;
  let number = 0;
  const kept = (transitions) => {
    if (bug === 'forget') return commits <= HONEST_COMMITS ? transitions : [];
    const appends = transitions.filter(({ type }) => type === 'append');
    return appends.map((append) => ({ ...append, dispatch: false }));
  };
  const lies = {
    start: async () => {
      await memory.start();
      await store.start();
    },
    stop: () => store.stop(),
    open: async (shard, incarnation) => {
      const { epoch } = await store.open(shard, incarnation);
      const opened = await memory.open(shard, incarnation);
      if (opened.epoch !== epoch) throw new Error('A lying store needs a fresh one below it.');
      return opened;
    },
    commit: async (request) => {
      commits += 1;
      const answer = await memory.commit(request);
      const transitions = kept(request.transitions);
      if (transitions.length > 0) await store.commit({ ...request, number: ++number, transitions });
      return answer;
    },
  };
  return new Proxy(memory, {
    get: (target, name) => {
      const value = lies[name] ?? target[name];
      return typeof value === 'function' && lies[name] === undefined ? value.bind(target) : value;
    },
  });
}
