/**
 * Faults that the code of the cluster could have, each put in from outside for the time of a test: by something between a
 * node and its store, or by a method that is replaced. Which invariant each breaks, and the words by which it is caught.
 */
import { ClusterDoor } from '../../src/cluster/cluster-door.js';
import { MailRoom } from '../../src/cluster/mail-room.js';
import { Tenure } from '../../src/cluster/tenure.js';
import { EntityWorker } from '../../src/entity/entity-worker.js';
import { Housekeeping } from '../../src/entity/housekeeping.js';
import { Intake } from '../../src/entity/intake.js';
import { outsideMessage } from '../../src/entity/message-context.js';
import { Operations } from '../../src/entity/operations.js';
import { Outbox } from '../../src/entity/outbox.js';
import { OutboxLane } from '../../src/entity/outbox-lane.js';
import { ShardActors } from '../../src/entity/shard-actors.js';
import { ShardOwner } from '../../src/entity/shard-owner.js';
import { UnmarkedRuns } from '../../src/entity/unmarked-runs.js';
import type { SimulationSeams } from '../../src/testing/simulation/simulated-cluster.js';
import type { LifeOptions } from '../../src/testing/simulation/simulation-life.js';
import { GroupCommit } from '../../src/wal/group-commit.js';
import type { MemoryStore } from '../../src/wal/memory/memory-wal.js';
import type { SharedWal } from '../../src/wal/shared-wal.js';
import { type Offer, StoreUnavailableError } from '../../src/wal/wal.js';
import { otherwise, replaced, withoutLeaseLooks } from './stage.js';

export interface PlantedBug {
  readonly seams?: SimulationSeams;
  /** Replaces a method; the returned function puts it back. */
  readonly patch?: () => () => void;
  /** What a history or a fault says that caught it. */
  readonly caughtBy: RegExp;
  readonly focus?: LifeOptions['focus'];
  /** Seeds among which one must catch it. */
  readonly seedsMax: number;
}

type Method = (this: never, ...args: never[]) => unknown;

const onServer = (calls: (server: SharedWal, store: MemoryStore) => Partial<SharedWal>): SimulationSeams => ({
  server: (server, store) => otherwise(server, calls(server, store)),
});

const onNode = (calls: (wal: SharedWal, name: string) => Partial<SharedWal>): SimulationSeams => ({
  wal: (wal, process) => otherwise(wal, calls(wal, process.name)),
});

export const PLANTED_BUGS: Readonly<Record<string, PlantedBug>> = {
  'the store does not check the epoch of a commit': {
    seams: onServer((server, store) => ({
      commit: (request) => {
        const { epoch, incarnation, commitNumber } = store.shard(request.shard);
        if (request.epoch === epoch || incarnation === undefined) return server.commit(request);
        return server.commit({ ...request, epoch, incarnation, number: commitNumber + 1 });
      },
    })),
    caughtBy: /the store accepted commit \d+ of epoch \d+/,
    seedsMax: 200,
  },
  'a shard is opened without proof of silence': {
    seams: {
      wal: (wal) =>
        otherwise(wal, {
          open: (shard, incarnation) => wal.open(shard, incarnation),
          signs: async (shards) =>
            (await wal.signs(shards)).map((sign) => ({ ...sign, incarnation: undefined, node: '' })),
        }),
    },
    caughtBy: /although its owner had not released it and had \d+ ms left/,
    seedsMax: 50,
  },
  'the proof of silence is not checked again with the opening': {
    seams: onServer((server, store) => ({
      open: (shard, incarnation, claim) => {
        if (claim?.silent === undefined) return server.open(shard, incarnation, claim);
        const { epoch, incarnation: owner, beat, node } = store.shard(shard);
        return server.open(shard, incarnation, { ...claim, silent: { epoch, incarnation: owner, beat, node } });
      },
    })),
    caughtBy: /although its owner had not released it and had \d+ ms left/,
    seedsMax: 1_500,
  },
  'handlers start without a look at the lease': {
    patch: withoutLeaseLooks,
    caughtBy: /ms after its lease of shard \d+ had run out|started \S+ under epoch \d+, after/,
    seedsMax: 400,
  },
  'the lease is counted from the answer': {
    patch: () =>
      replaced(Tenure, 'sending', (original) => {
        return function (this: never) {
          return () => (original as (this: never) => () => void).call(this)();
        };
      }),
    caughtBy: /ms after its lease of shard \d+ had run out|started \S+ under epoch \d+, after/,
    seedsMax: 1_500,
  },
  'leases are counted by the wall clock': {
    seams: {
      runtime: (process) => ({
        clock: { now: () => process.clock.now(), monotonic: () => process.clock.now() },
        timers: process.timers,
        random: process.random,
        freshId: process.freshId,
      }),
    },
    caughtBy: /ms left of its lease|had run out|under epoch \d+, after|all is well/,
    seedsMax: 200,
  },
  'a process that comes back opens shards as its former life': {
    seams: onNode((wal, name) => {
      const incarnation = name.split('.')[0] as string;
      return {
        open: (shard, _own, claim) => wal.open(shard, incarnation, claim),
        commit: (request) => wal.commit({ ...request, incarnation }),
        renew: (shard, epoch, _own, survived) => wal.renew(shard, epoch, incarnation, survived),
        release: (shard, epoch) => wal.release(shard, epoch, incarnation),
        cleanup: (shard, epoch, _own, limit) => wal.cleanup(shard, epoch, incarnation, limit),
        signs: async (shards) =>
          (await wal.signs(shards)).map((sign) =>
            sign.incarnation === incarnation ? { ...sign, incarnation: undefined } : sign,
          ),
      };
    }),
    caughtBy: /ms left of its lease|still at work|under epoch \d+, after/,
    seedsMax: 200,
  },
  'a shard is handed over without draining it': {
    patch: () =>
      replaced(Tenure, 'handOver', () => {
        return async function (this: { owner: ShardOwner; state: string }) {
          this.state = 'ended';
          await this.owner.close(true);
          return { drained: 0, abandoned: [], pending: 0 };
        } as Method;
      }),
    caughtBy: /still at work on the same entity/,
    seedsMax: 200,
  },
  'own appends go before what is in the inbox': {
    seams: onServer((server, store) => ({
      commit: (request) => {
        const state = store.shard(request.shard);
        const { inbox } = state;
        if (!request.transitions.some(({ type }) => type === 'append')) return server.commit(request);
        state.inbox = [];
        const answer = server.commit(request);
        state.inbox = [...inbox, ...state.inbox];
        return answer;
      },
    })),
    caughtBy: /the line was not kept/,
    seedsMax: 400,
  },
  'a query does not wait for what was offered before it': {
    patch: () =>
      replaced(GroupCommit, 'afterRead', () => {
        return ((callback: (error: undefined) => void) => callback(undefined)) as unknown as Method;
      }),
    caughtBy: /query \S+ started before command/,
    seedsMax: 600,
  },
  'a pause is acknowledged and nothing is done': {
    patch: () => replaced(Operations, 'setPaused', () => () => Promise.resolve()),
    caughtBy: /is paused, and nobody had resumed it/,
    seedsMax: 200,
  },
  'a withdrawal is acknowledged and nothing is done': {
    patch: () => replaced(Operations, 'cancel', () => () => Promise.resolve(true)),
    caughtBy: /'cancel' was done|'cancel' of \S+ was done/,
    seedsMax: 200,
  },
  'an offer whose answer was lost is sent again under new numbers': {
    seams: onNode((wal) => {
      let again = 0;
      return {
        offer: async (shard, offers, limits) => {
          try {
            await wal.offer(shard, offers, limits);
          } catch (error) {
            if (!(error instanceof StoreUnavailableError) || error.applied !== 'unknown') throw error;
            again += 1;
            const session = `${offers[0]?.session}-${again}`;
            const anew = offers.map((offer, index) => ({
              session,
              number: index + 1,
              transition:
                offer.transition.type === 'append'
                  ? {
                      ...offer.transition,
                      message: { ...offer.transition.message, id: `${offer.transition.message.id}-${again}` },
                    }
                  : offer.transition,
            }));
            await wal.offer(shard, anew, limits);
          }
        },
      };
    }),
    caughtBy: /but nobody enqueued it|has vanished|made a second message|do not agree/,
    seedsMax: 400,
  },
  'a waiter whose message is a duplicate is forgotten': {
    patch: () => replaced(Intake, 'sameAs', () => () => {}),
    caughtBy: /has no answer|never got/,
    focus: 'keys',
    seedsMax: 1_000,
  },
  'waits are dropped with the shard': {
    patch: () =>
      replaced(MailRoom, 'hooksOf', (original) => {
        return function (this: never, shard) {
          const hooks = (original as (this: never, ...args: unknown[]) => object).call(this, shard);
          return { ...hooks, waitElsewhere: () => {}, askElsewhere: () => {} };
        } as Method;
      }),
    caughtBy: /has no answer|never got/,
    seedsMax: 600,
  },
  'a waiter is answered before the verdict is durable': {
    patch: () =>
      replaced(EntityWorker, 'settled', (original) => {
        return function (this: never, item: { waiter?: { answer(reply: unknown): void }; reply?: string }, failure) {
          if (failure === undefined && item.reply !== undefined) item.waiter?.answer(JSON.parse(item.reply));
          return (original as (this: never, ...args: unknown[]) => unknown).call(this, item, failure);
        } as Method;
      }),
    caughtBy: /before the verdict was durable/,
    seedsMax: 20,
  },
  'an owner looks for offers only when it is told to': {
    patch: () =>
      replaced(Housekeeping, 'every', (original) => {
        return function (this: never, name: string, ...rest: unknown[]) {
          if (name !== 'poll') (original as (this: never, ...args: unknown[]) => unknown).call(this, name, ...rest);
        } as Method;
      }),
    caughtBy: /all is well .* messages are in shard|has no answer/,
    seedsMax: 400,
  },
  'what was interrupted always runs again': {
    patch: () => replaced(ShardOwner, 'afterInterruption', () => () => 'retry'),
    caughtBy: /started \d+ times, but \d+ start\(s\) are allowed/,
    seedsMax: 200,
  },
  'a repeated commit is applied again': {
    seams: onServer((server, store) => ({
      commit: (request) => {
        const { commitNumber, epoch } = store.shard(request.shard);
        const isRepeated = request.epoch === epoch && request.number === commitNumber && commitNumber > 0;
        return server.commit(isRepeated ? { ...request, number: commitNumber + 1 } : request);
      },
    })),
    caughtBy: /./,
    seedsMax: 200,
  },
  'outgoing messages are relayed under a fresh session after every doubt': {
    patch: () => {
      let fresh = 0;
      return replaced(OutboxLane, 'call', (original) => {
        return async function (this: never, offers: readonly Offer[]) {
          const error = await (original as (this: never, ...args: unknown[]) => Promise<unknown>).call(this, offers);
          if (!(error instanceof StoreUnavailableError)) return error;
          fresh += 1;
          const anew = offers.map((offer, index) => ({
            ...offer,
            session: `outbox.fresh.${fresh}`,
            number: index + 1,
          }));
          return (original as (this: never, ...args: unknown[]) => Promise<unknown>).call(this, anew);
        } as unknown as Method;
      });
    },
    caughtBy: /arrived 2 times|arrived before|all is well/,
    seedsMax: 400,
  },
  'what was relayed stays in the outbox': {
    patch: () => replaced(Outbox, 'remove', () => () => {}),
    caughtBy: /messages are in the outbox|is not idle/,
    seedsMax: 40,
  },
  'what a former owner left in the outbox is forgotten': {
    patch: () => replaced(Outbox, 'readOn', () => () => {}),
    caughtBy: /messages are in the outbox|is not idle|arrived 0 times/,
    seedsMax: 40,
  },
  'messages of a completion leave before it': {
    patch: () =>
      replaced(ClusterDoor, 'enqueue', (original) => {
        return function (this: never, submission: never) {
          const send = original as (this: never, submission: never) => unknown;
          return outsideMessage(() => send.call(this, submission));
        } as Method;
      }),
    caughtBy: /did not complete, and what it sent|arrived 0 times/,
    seedsMax: 40,
  },
  'what a failed handler did to its actor stays in memory': {
    patch: () => replaced(ShardActors, 'undo', () => () => {}),
    caughtBy: /the state of (ledger|tally)\/. is/,
    seedsMax: 40,
  },
  'what runs without a durable start starts although a commit under way withdraws it': {
    patch: () =>
      replaced(UnmarkedRuns, 'begin', () => {
        return function (this: { running: Set<number> }, item: { seq: number }) {
          this.running.add(item.seq);
          return true;
        } as unknown as Method;
      }),
    caughtBy: /./,
    seedsMax: 600,
  },
};
