/** The contract suite itself: an adapter with a planted fault does not pass it. */
import { describe, expect, it } from 'vitest';
import { runGeneratedSequence, type WalFactory, walContractCases } from '../../../src/testing/wal-contract.js';
import { MemoryStore, MemoryWal } from '../../../src/wal/memory/memory-wal.js';
import type { OutboxEntry } from '../../../src/wal/transition.js';
import type { CommitAnswer, CommitRequest, MessageHead, Offer, OpenedShard } from '../../../src/wal/wal.js';

type Fault = (base: typeof MemoryWal) => typeof MemoryWal;

const faults: Readonly<Record<string, Fault>> = {
  'accepts a stale epoch': (base) =>
    class extends base {
      override commit(request: CommitRequest): Promise<CommitAnswer> {
        return super.commit({ ...request, epoch: this.store.shard(request.shard).epoch });
      }
    },
  'accepts another incarnation': (base) =>
    class extends base {
      override commit(request: CommitRequest): Promise<CommitAnswer> {
        return super.commit({ ...request, incarnation: this.store.shard(request.shard).incarnation ?? '' });
      }
    },
  'applies a repeated commit again': (base) =>
    class extends base {
      override commit(request: CommitRequest): Promise<CommitAnswer> {
        const { commitNumber } = this.store.shard(request.shard);
        return super.commit(request.number === commitNumber ? { ...request, number: commitNumber + 1 } : request);
      }
    },
  'keeps the former transitions of a refused commit': (base) =>
    class extends base {
      override async commit(request: CommitRequest): Promise<CommitAnswer> {
        try {
          return await super.commit(request);
        } catch (error) {
          if (request.transitions.length > 1) {
            await super.commit({ ...request, transitions: request.transitions.slice(0, -1) }).catch(() => undefined);
          }
          throw error;
        }
      }
    },
  'starts nothing together with an append': (base) =>
    class extends base {
      override commit(request: CommitRequest): Promise<CommitAnswer> {
        const transitions = request.transitions.map((move) =>
          move.type === 'append' ? { ...move, dispatch: false } : move,
        );
        return super.commit({ ...request, transitions });
      }
    },
  'loses an offer': (base) =>
    class extends base {
      override offer(shard: number, offers: readonly Offer[]): Promise<void> {
        return super.offer(shard, offers.slice(0, 1));
      }
    },
  'opens without a new epoch': (base) =>
    class extends base {
      override async open(shard: number, incarnation: string): Promise<OpenedShard> {
        const { epoch } = this.store.shard(shard);
        const opened = await super.open(shard, incarnation);
        this.store.shard(shard).epoch = Math.max(1, epoch);
        return { ...opened, epoch: Math.max(1, epoch) };
      }
    },
  'forgets which messages run unmarked': (base) =>
    class extends base {
      override commit({ runsUnmarked: _forgotten, ...request }: CommitRequest): Promise<CommitAnswer> {
        return super.commit(request);
      }
    },
  'replaces no delayed message': (base) =>
    class extends base {
      override commit(request: CommitRequest): Promise<CommitAnswer> {
        const transitions = request.transitions.map((move) =>
          move.type === 'append' ? { ...move, replace: false } : move,
        );
        return super.commit({ ...request, transitions });
      }
    },
  'keeps actor states for good': (base) =>
    class extends base {
      override commit(request: CommitRequest): Promise<CommitAnswer> {
        const transitions = request.transitions.map((move) =>
          move.type === 'complete' ? { ...move, stateTtlMs: undefined } : move,
        );
        return super.commit({ ...request, transitions });
      }
    },
  'lists what it has relayed': (base) =>
    class extends base {
      override async outbox(shard: number, limit: number): Promise<readonly OutboxEntry[]> {
        this.#seen.push(...(await super.outbox(shard, 1_000)).filter((entry) => !this.#seen.includes(entry)));
        return this.#seen.slice(0, limit);
      }
      readonly #seen: OutboxEntry[] = [];
    },
  'lets a reminder run over itself': (base) =>
    class extends base {
      override commit(request: CommitRequest): Promise<CommitAnswer> {
        const transitions = request.transitions.map((move) =>
          move.type === 'promote' && move.again ? { ...move, again: { ...move.again, overlap: true } } : move,
        );
        return super.commit({ ...request, transitions });
      }
    },
  'pages include the cursor': (base) =>
    class extends base {
      override scan(shard: number, afterSeq: number, limit: number): Promise<readonly MessageHead[]> {
        return super.scan(shard, afterSeq - 1, limit);
      }
    },
};

function factoryOf(wal: typeof MemoryWal): WalFactory {
  return {
    async create({ clusterId, ...options }) {
      const store = new MemoryStore({ clusterId });
      const open = async (): Promise<MemoryWal> => {
        const opened = new wal({ ...options, store });
        await opened.start();
        return opened;
      };
      return { wal: await open(), reopen: open, dispose: async () => undefined };
    },
  };
}

async function firstFailure(runs: readonly (() => Promise<void>)[]): Promise<unknown> {
  for (const run of runs) {
    try {
      await run();
    } catch (error) {
      return error;
    }
  }
  return undefined;
}

describe('the WAL contract suite', () => {
  for (const [name, plant] of Object.entries(faults)) {
    const factory = factoryOf(plant(MemoryWal));

    it(`has a case that finds a store which ${name}`, async () => {
      expect(await firstFailure(walContractCases().map((promise) => () => promise.run(factory)))).toBeInstanceOf(Error);
    });

    it(`has generated sequences that find a store which ${name}, and name the seed`, async () => {
      const runs = Array.from({ length: 100 }, (_, seed) => () => {
        return runGeneratedSequence(seed, factory, { repeatCommand: (failed) => `repeat ${failed}` });
      });
      const failure = await firstFailure(runs);
      expect(String(failure)).toMatch(/seed \d+, step \d+[\s\S]*Repeat: repeat \d+/);
    });
  }
});
