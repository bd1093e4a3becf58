/**
 * The WAL on Redis: shards that the nodes of a cluster share. This file is the glue: life cycle, identity, who owns which
 * shard here, durability. How commits are worked out is in `owned-shard.ts`, what can be read in `reads.ts`, all that the
 * server runs in `lua/`.
 *
 * The server only guards and writes: a commit is worked out in the owner's process, which alone changes the shard, and
 * applied whole by a script that checks epoch, incarnation and commit number first. That costs the server, which all nodes
 * share, a third of what deciding in Lua would.
 */
import { systemRuntime } from '../../runtime/runtime.js';
import { copyOffer } from '../offered-transition.js';
import { ownerIdPrefix } from '../owner-ids.js';
import { LineFormatError, type OpenClaim, ShardFullError, type SharedWal, type SignOfLife } from '../shared-wal.js';
import {
  type CommitAnswer,
  type CommitRequest,
  IllegalTransitionError,
  type MessageHead,
  type Offer,
  type OfferLimits,
  type OpenedShard,
  StaleEpochError,
  type StoreDescription,
  StoreUnavailableError,
} from '../wal.js';
import { redisError } from './errors.js';
import { evidenceOfOffers, evidenceOfOpening, evidenceOfRelease, evidenceOfStore, noEvidence } from './evidence.js';
import { HINTED_BYTES_MAX, wakeText } from './hints.js';
import { checkIdentity, FORMAT_VERSION, readClusterId, type StoreIdentity, startStore } from './identity.js';
import { type ClusterChannels, clusterChannels, DEFAULT_KEY_PREFIX, type ShardKeys, shardKeys } from './keys.js';
import { LINE_FORMAT_MAX, LINE_FORMAT_MIN } from './line-format.js';
import { OwnerMemory } from './memory.js';
import { countsOf } from './numbers.js';
import { openOnServer } from './opening.js';
import { OFFER_BYTES_MAX, REDIS_OFFERS_TAKEN_MAX, type RedisWalOptions } from './options.js';
import { OwnedShard } from './owned-shard.js';
import { ShardReads, SIGN_FIELDS, type SmallState, signOf } from './reads.js';
import { type Held, headOf } from './records.js';
import { type Replication, replicationOf } from './replication.js';
import { type RedisClient, runScript, SCRIPTS, type Script } from './scripts.js';
import { checkServer } from './server-check.js';
import type { ShardContext } from './shard-context.js';
import { StoreTime } from './store-time.js';
import { toField } from './text.js';
import { RedisWalReads } from './wal-reads.js';

export type { RedisDurability, RedisWalOptions } from './options.js';

/** A shard as this process knows it. */
interface KnownShard {
  readonly keys: ShardKeys;
  readonly reads: ShardReads;
  owned: OwnedShard | undefined;
}

interface Running {
  readonly identity: StoreIdentity;
  readonly shards: Map<number, KnownShard>;
  readonly context: ShardContext;
}

export class RedisWal extends RedisWalReads implements SharedWal {
  readonly #options: RedisWalOptions;
  readonly #prefix: string;
  readonly #channels: ClusterChannels;
  readonly #client: RedisClient;
  readonly #control: RedisClient;
  readonly #slices: number | undefined;
  readonly #offersTakenMax: number;
  readonly #replication: Replication | undefined;
  readonly #time: StoreTime | undefined;
  readonly lineFormatMax: number;
  /** What all nodes understand, as far as this one knows. Never goes back: what stands in a line stays. */
  #lineFormat = LINE_FORMAT_MIN;
  #lineFormatMet = LINE_FORMAT_MIN;
  #running: Running | undefined;
  #starting: Promise<void> | undefined;

  constructor(options: RedisWalOptions) {
    super();
    this.#options = options;
    this.#prefix = options.keyPrefix ?? DEFAULT_KEY_PREFIX;
    this.#channels = clusterChannels(this.#prefix);
    this.#client = options.client;
    this.#control = options.control ?? options.client;
    this.#slices = options.slices;
    this.#offersTakenMax = options.offersTakenMax ?? REDIS_OFFERS_TAKEN_MAX;
    this.#time = options.clock === undefined ? new StoreTime(options.localClock ?? systemRuntime.clock) : undefined;
    this.#replication = replicationOf(options);
    this.lineFormatMax = options.lineFormatMax ?? LINE_FORMAT_MAX;
  }

  get description(): StoreDescription {
    const { identity } = this.#started();
    const { durability = 'async' } = this.#options;
    return {
      kind: 'redis',
      clusterId: identity.clusterId,
      formatVersion: FORMAT_VERSION,
      shardCount: identity.slices,
      durability:
        durability === 'async'
          ? 'async: what is resolved survives the end of every node, and of the server as far as its persistence goes'
          : `replicated(${durability.replicas}): what is resolved is on ${durability.replicas} replicas as well`,
      offersTakenMax: this.#offersTakenMax,
      defersAppends: true,
    };
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async stop(): Promise<void> {
    await this.#starting?.catch(() => {});
    this.#starting = undefined;
    this.#running = undefined;
  }

  get lineFormatMet(): number {
    return this.#lineFormatMet;
  }

  useLineFormat(lineFormat: number): void {
    this.#met(lineFormat);
    if (lineFormat > this.#lineFormat && lineFormat <= this.lineFormatMax) this.#lineFormat = lineFormat;
  }

  async open(shard: number, incarnation: string, claim?: OpenClaim): Promise<OpenedShard> {
    const { identity, context } = this.#started();
    const known = this.#shard(shard);
    const { keys } = known;
    known.owned = undefined;
    known.reads.forget();
    checkIdentity(this.#prefix, identity, await this.#read(() => readClusterId(this.#client, this.#prefix)));
    // While replicas are away no opening could be proven, and each try would count as one that no owner survived (M13). In a
    // Cluster what the shards belong to is in another slot, and must be as safe as they are.
    await Promise.all([
      context.proven?.(noEvidence(keys)),
      context.proven?.(evidenceOfStore(this.#prefix, identity.clusterId)),
    ]);
    const formats = { lineFormat: this.#lineFormat, lineFormatMax: this.lineFormatMax };
    const opening = { shard, incarnation, claim, ...formats };
    const { epoch, former } = await this.#ask(() => openOnServer(this.#client, keys, opening), true).catch(
      (error: unknown) => {
        if (error instanceof LineFormatError) this.#met(error.lineFormat);
        throw error;
      },
    );
    await context.proven?.(evidenceOfOpening(keys, epoch, incarnation));
    const { owned, small, started } = await this.#takeOver(known, { shard, epoch, incarnation }, true);
    known.owned = owned;
    // Where the raise was lost with a server and this shard was not, it still holds.
    this.useLineFormat(small.lineFormat);
    const { numbers, paused, letterTypes, nextDueAt } = small;
    return {
      epoch,
      nextSeq: numbers.nextSeq,
      clean: former === '',
      inFlight: started.map(headOf),
      counts: countsOf(numbers, small.blocked),
      paused: paused.map(([, line]) => line),
      deadLettersByType: letterTypes,
      ...(nextDueAt !== undefined && { nextDueAt }),
      now: context.now(),
    };
  }

  async commit(request: CommitRequest): Promise<CommitAnswer> {
    const known = this.#shard(request.shard);
    const owned = known.owned?.isOf(request) === true ? known.owned : await this.#adopt(known, request);
    // Waited for: an async function that returns a promise needs three turns of the microtask queue instead of one.
    const answer = await owned.commit(request);
    return answer;
  }

  async release(shard: number, epoch: number, incarnation: string): Promise<void> {
    const known = this.#shard(shard);
    await this.#run(SCRIPTS.release, [known.keys.meta], [String(epoch), incarnation]);
    if (known.owned?.isOf({ epoch, incarnation }) === true) known.owned = undefined;
    await this.#started().context.proven?.(evidenceOfRelease(known.keys, incarnation));
  }

  async renew(shard: number, epoch: number, incarnation: string, survived = false): Promise<void> {
    const { keys, owned } = this.#shard(shard);
    const number = owned?.isOf({ epoch, incarnation }) === true ? owned.number : 0;
    const [code, current] = (await this.#run(
      SCRIPTS.renew,
      [keys.meta],
      [String(epoch), incarnation, String(number), survived ? '1' : '0'],
      this.#control,
    )) as [number, string];
    if (code !== 0) throw new StaleEpochError(shard, epoch, Number(current));
  }

  async forgetOpenings(shard: number): Promise<void> {
    await this.#run(SCRIPTS.forgetOpenings, [this.#shard(shard).keys.meta], []);
  }

  async signs(shards: readonly number[]): Promise<readonly SignOfLife[]> {
    const { identity } = this.#started();
    const control = this.#control;
    // All of them go out in one turn, and on one connection that is one round trip.
    const [clusterId, ...signs] = await this.#read(() =>
      Promise.all([
        readClusterId(control, this.#prefix),
        ...shards.map(async (shard) => signOf(await control.hmget(this.#shard(shard).keys.meta, ...SIGN_FIELDS))),
      ]),
    );
    checkIdentity(this.#prefix, identity, clusterId as string | null);
    return signs as SignOfLife[];
  }

  async allowTypes(shard: number, entityTypes: readonly string[]): Promise<void> {
    if (entityTypes.length === 0) return;
    const { keys } = this.#shard(shard);
    // Most of the time they are known, and then a full memory must not keep anyone from opening the shard.
    const known = await this.#ask(() => this.#client.smismember(keys.types, '', ...entityTypes), false);
    if (known.every((each) => each === 1)) return;
    await this.#ask(() => this.#client.sadd(keys.types, '', ...entityTypes), true);
  }

  async offer(shard: number, offers: readonly Offer[], limits?: OfferLimits): Promise<void> {
    const { keys } = this.#shard(shard);
    const { context } = this.#started();
    // Nothing may be hinted at that is not proven (M10).
    const { channel, hint, bringsBytes } = this.#wake(shard, limits?.owner);
    const hintsLater = this.#replication !== undefined;
    const args = [String(limits?.depthMax ?? 0), hintsLater ? '' : channel, hint, String(bringsBytes)];
    for (const offer of offers.map(copyOffer)) {
      const { session, number, transition } = offer;
      args.push(toField(session), String(number), transition.type === 'append' ? '1' : '0', JSON.stringify(offer));
    }
    if (offers.length === 0) return;
    const reply = (await this.#run(SCRIPTS.offer, [keys.meta, keys.inbox, keys.offered], args)) as unknown[];
    if (reply[0] === 1) {
      throw new IllegalTransitionError(
        `Shard ${shard}: offer ${String(reply[2])} of session ${String(reply[1])} does not follow ${String(reply[3])}; the numbers of a session have no gaps.`,
      );
    }
    if (reply[0] === 2) throw new ShardFullError(shard, Number(reply[1]), limits?.depthMax ?? 0);
    await context.proven?.(evidenceOfOffers(keys, offers));
    if (hintsLater && channel !== '') this.#control.publish(channel, hint).catch(() => {});
  }

  /** The channel and the text of the hint that there are offers: to the owner's node where that is known, else to all. */
  #wake(shard: number, owner: string | undefined): { channel: string; hint: string; bringsBytes: number } {
    if (this.#options.wakes === false) return { channel: '', hint: '', bringsBytes: 0 };
    const channels = this.#channels;
    if (owner === undefined || this.#options.reachesNodes?.() !== true)
      return { channel: channels.wake, hint: String(shard), bringsBytes: 0 };
    return { channel: channels.node(owner), hint: wakeText(shard), bringsBytes: HINTED_BYTES_MAX };
  }

  hinted(shard: number, offers: readonly string[]): void {
    this.#running?.shards.get(shard)?.owned?.hinted(offers);
  }

  async scan(shard: number, afterSeq: number, limit: number): Promise<readonly MessageHead[]> {
    const { owned } = this.#shard(shard);
    const mark = owned?.mark();
    const found = await this.reading(shard, (reads) => reads.scan(afterSeq, limit));
    owned?.remember(mark, found);
    return found.map(headOf);
  }

  async cleanup(shard: number, epoch: number, incarnation: string, limit: number): Promise<number> {
    const known = this.#shard(shard);
    const owned = known.owned?.isOf({ epoch, incarnation }) === true ? known.owned : undefined;
    return (owned ?? (await this.#adopt(known, { shard, epoch, incarnation }))).cleanup(limit);
  }

  async #start(): Promise<void> {
    const { clock, clusterId, warn = (message: string) => process.emitWarning(message) } = this.#options;
    await checkServer(this.#client, warn);
    const local = clock ?? this.#options.localClock ?? systemRuntime.clock;
    const identity = await startStore({
      client: this.#client,
      prefix: this.#prefix,
      slices: this.#slices,
      lineFormatMax: this.lineFormatMax,
      newLineFormat: this.#options.newLineFormat ?? LINE_FORMAT_MIN,
      newClusterId: () => clusterId ?? systemRuntime.freshId(),
      now: () => local.now(),
    });
    this.useLineFormat(identity.lineFormat);
    const time = this.#time;
    if (time !== undefined) {
      const sentAt = time.monotonic();
      const [seconds, micros] = await this.#read(() => this.#client.time());
      time.learn(Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000), sentAt);
    }
    const replication = this.#replication;
    const { retention } = this.#options;
    this.#running = {
      identity,
      shards: new Map(),
      context: {
        client: this.#client,
        rules: {
          entryTtlMs: retention?.entryTtlMs ?? 86_400_000,
          verdictsMax: retention?.verdictsMax ?? 1_000_000,
          waiterTtlMs: retention?.waiterTtlMs,
        },
        offersTakenMax: this.#offersTakenMax,
        offerBytesMax: this.#options.offerBytesMax ?? OFFER_BYTES_MAX,
        slices: identity.slices,
        keysOf: (shard) => shardKeys(this.#prefix, shard),
        lineFormat: () => this.#lineFormat,
        busyPoll: this.#options.busyPoll,
        serverTime: time,
        now: time === undefined ? () => local.now() : () => time.now(),
        // Nobody may hear of what is not proven (M10).
        tellsOn: () =>
          replication === undefined && this.#options.reachesNodes?.() === true ? this.#channels : undefined,
        proven: replication === undefined ? undefined : (evidence) => replication.proven(evidence),
      },
    };
  }

  /** What the owner of a shard must know of it. */
  async #takeOver(
    known: KnownShard,
    claim: { readonly shard: number; readonly epoch: number; readonly incarnation: string },
    isFresh: boolean,
  ): Promise<{ owned: OwnedShard; small: SmallState; started: readonly Held[] }> {
    const { identity, context } = this.#started();
    const { reads, keys } = known;
    return this.#read(async () => {
      const small = await reads.small();
      if (small.epoch !== String(claim.epoch) || small.incarnation !== claim.incarnation)
        throw new StaleEpochError(claim.shard, claim.epoch, Number(small.epoch));
      if (!(small.lineFormat <= this.lineFormatMax))
        throw new LineFormatError(claim.shard, small.lineFormat, this.lineFormatMax);
      const started = await reads.held([...small.run.keys()].sort((left, right) => left - right));
      const all = this.#options.verifyLineOrder === true ? await reads.scan(0, Number.MAX_SAFE_INTEGER) : undefined;
      const prefix = ownerIdPrefix(identity.clusterId, claim.shard, claim.epoch);
      const memory = new OwnerMemory({ ...small, started }, claim, prefix, all);
      // Ids of this epoch may be in use already: then none of them is taken as new.
      if (!isFresh) memory.highestPlain = memory.highestOther = Number.POSITIVE_INFINITY;
      return { owned: new OwnedShard(claim, context, keys, memory, small.number), small, started };
    });
  }

  /** For a claim that another `RedisWal` of this owner made. Throws `StaleEpochError` if it is not the shard's. */
  async #adopt(known: KnownShard, { shard, epoch, incarnation }: Omit<CommitRequest, 'number' | 'transitions'>) {
    const { owned } = await this.#takeOver(known, { shard, epoch, incarnation }, false);
    known.owned = owned;
    return owned;
  }

  #met(lineFormat: number): void {
    if (lineFormat > this.#lineFormatMet) this.#lineFormatMet = lineFormat;
  }

  #started(): Running {
    if (this.#running !== undefined) return this.#running;
    throw new StoreUnavailableError('The Redis store is stopped, or was never started.', 'no', false);
  }

  #shard(shard: number): KnownShard {
    const { shards } = this.#started();
    let known = shards.get(shard);
    if (known === undefined) {
      const keys = shardKeys(this.#prefix, shard);
      known = { keys, reads: new ShardReads(this.#control, keys), owned: undefined };
      shards.set(shard, known);
    }
    return known;
  }

  protected override reading<T>(shard: number, read: (reads: ShardReads) => Promise<T>): Promise<T> {
    return this.#read(() => read(this.#shard(shard).reads));
  }

  protected override context(): ShardContext {
    return this.#started().context;
  }

  #read<T>(ask: () => Promise<T>): Promise<T> {
    return this.#ask(ask, false);
  }

  #run(script: Script, keys: readonly string[], args: readonly string[], client = this.#client): Promise<unknown> {
    return this.#ask(() => runScript(client, script, keys, args), true);
  }

  async #ask<T>(ask: () => Promise<T>, writes: boolean): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw redisError(error, writes);
    }
  }
}
