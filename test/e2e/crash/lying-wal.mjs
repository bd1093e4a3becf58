/**
 * Planted bugs: a store that says "durable" too early, for the test that the judges notice. Works on a fresh store only.
 *
 * `forget`: after some commits, nothing reaches the disk any more.
 * `forget-starts`: messages reach the disk, but not that they have started.
 */
import { MemoryWal } from '../../../dist/wal/memory/memory-wal.js';

const HONEST_COMMITS = 40;

/**
 * One clock for both stores, which stands still during a commit: were the store below a millisecond behind, it would
 * refuse the start of a delayed message that memory has just taken, and the engine would die of that instead of the bug.
 */
export class HeldClock {
  #held;
  #holders = 0;

  now() {
    return this.#held ?? Date.now();
  }

  monotonic() {
    return performance.now();
  }

  async hold(work) {
    this.#holders += 1;
    this.#held ??= Date.now();
    try {
      return await work();
    } finally {
      this.#holders -= 1;
      if (this.#holders === 0) this.#held = undefined;
    }
  }
}

/** `clock` is the clock of the store too. */
export function lyingWal(store, bug, clock) {
  const memory = new MemoryWal({ clock, clusterId: 'memory' });
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
    commit: (request) =>
      clock.hold(async () => {
        commits += 1;
        const answer = await memory.commit(request);
        const transitions = kept(request.transitions);
        if (transitions.length > 0) await store.commit({ ...request, number: ++number, transitions });
        return answer;
      }),
  };
  return new Proxy(memory, {
    get: (target, name) => {
      const value = lies[name] ?? target[name];
      return typeof value === 'function' && lies[name] === undefined ? value.bind(target) : value;
    },
  });
}
