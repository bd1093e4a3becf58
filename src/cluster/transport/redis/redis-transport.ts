/**
 * The transport over pub/sub of a Redis or Valkey server: a channel for each life of a node, one for all nodes, and the
 * `wake` channel, on which anyone may publish the number of a shard that was offered something.
 *
 * What one turn of the event loop has for one receiver goes as one JSON list. On a Cluster of servers from version 7 the
 * channels of nodes are sharded (`sharded`): only the server of the channel's slot hears of it. The `wake` channel is not,
 * because scripts publish on it from every slot.
 *
 * The clients are the caller's: connected before `start`, closed after `stop`. When the subscribing connection is lost, what
 * is published meanwhile is lost as well; it subscribes again as soon as the client is ready.
 */
import { type Logger, silentLogger } from '../../../runtime/logger.js';
import type { Timers } from '../../../runtime/timers.js';
import { type ClusterChannels, clusterChannels } from '../../../wal/redis/keys.js';
import { StoreUnavailableError } from '../../../wal/wal.js';
import type { Transport, TransportMessage } from '../transport.js';
import { transportMessageOf } from '../transport-message.js';

/** What sending needs of a client; every ioredis client has it. */
export interface PublishingClient {
  publish(channel: string, message: string): Promise<unknown>;
  spublish(channel: string, message: string): Promise<unknown>;
}

type ChannelListener = (channel: string, message: string) => void;

/** What listening needs of a client. On a Cluster it may be the publishing client itself. */
export interface SubscribingClient {
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  ssubscribe(...channels: string[]): Promise<unknown>;
  sunsubscribe(...channels: string[]): Promise<unknown>;
  on(event: 'message' | 'smessage', listener: ChannelListener): unknown;
  on(event: 'ready', listener: () => void): unknown;
  off(event: 'message' | 'smessage', listener: ChannelListener): unknown;
  off(event: 'ready', listener: () => void): unknown;
}

export interface RedisTransportOptions {
  /** A ready client that is not in subscriber mode. */
  readonly client: PublishingClient;
  /** A ready client of its own for subscriptions. */
  readonly subscriber: SubscribingClient;
  readonly timers: Timers;
  /** Default `aq`. */
  readonly keyPrefix?: string | undefined;
  /**
   * Sharded channels: on a Cluster of servers from version 7, with an ioredis `Cluster` made with `shardedSubscribers: true`.
   * All nodes of a cluster need the same. Asked when the transport starts. Default false.
   */
  readonly sharded?: boolean | (() => boolean) | undefined;
  readonly logger?: Logger | undefined;
}

/** Messages and characters of one PUBLISH; a larger message goes alone. */
const BATCH_MESSAGES_MAX = 500;
const BATCH_CHARACTERS_MAX = 262_144;
/** Characters that the server has not acknowledged; what comes on top is dropped, so that a server that hangs costs no memory. */
const UNANSWERED_CHARACTERS_MAX = 33_554_432;
/** Milliseconds that a stop waits for a server that does not answer. */
const STOP_WAIT_MS = 1_000;

export class RedisTransport implements Transport {
  private readonly options: RedisTransportOptions;
  private readonly channels: ClusterChannels;
  private readonly logger: Logger;
  private life: Life | undefined;
  private gathered = new Map<string, string[]>();
  private readonly unanswered = new Set<Promise<void>>();
  private unansweredCharacters = 0;
  private readonly losses = { malformed: 0, unsent: 0 };

  constructor(options: RedisTransportOptions) {
    this.options = options;
    this.channels = clusterChannels(options.keyPrefix);
    this.logger = options.logger ?? silentLogger;
  }

  /** What was dropped since the start: messages that cannot be read, and publications that failed or found no room. */
  get dropped(): { readonly malformed: number; readonly unsent: number } {
    return { ...this.losses };
  }

  async start(incarnation: string, receive: (message: TransportMessage) => void): Promise<void> {
    if (this.life?.incarnation === incarnation) return this.life.started;
    await this.stop();
    const life = new Life(incarnation, this.options, this.channels, {
      message: (channel, text) => {
        this.arrived(channel, text, (message) => {
          try {
            receive(message);
          } catch (error) {
            // Thrown further, it would end the process from inside the client's parser.
            this.logger.error(`A message of type "${message.type}" could not be handled.`, error);
          }
        });
      },
      failed: (error) =>
        this.logger.warn(`Subscribing on Redis failed; hints are late until it succeeds: ${String(error)}`),
    });
    this.life = life;
    try {
      await life.started;
    } catch (error) {
      if (this.life === life) this.life = undefined;
      await life.end();
      throw new StoreUnavailableError(`The transport cannot subscribe on Redis: ${String(error)}`, 'no', true, {
        cause: error,
      });
    }
  }

  async stop(): Promise<void> {
    const { life } = this;
    if (life === undefined) return;
    this.flush();
    this.life = undefined;
    const ended = Promise.allSettled([life.end(), ...this.unanswered]);
    const { timers } = this.options;
    await new Promise<void>((resolve) => {
      const timer = timers.set(resolve, STOP_WAIT_MS);
      void ended.then(() => {
        timers.clear(timer);
        resolve();
      });
    });
  }

  send(to: string, message: TransportMessage): void {
    if (this.life === undefined) return;
    if (this.gathered.size === 0) this.options.timers.defer(() => this.flush());
    const isWake = to === '*' && message.type === 'wake';
    const channel = isWake ? this.channels.wake : to === '*' ? this.channels.nodes : this.channels.node(to);
    const text = isWake ? String(message.shard) : JSON.stringify(message);
    const texts = this.gathered.get(channel);
    if (texts === undefined) this.gathered.set(channel, [text]);
    else texts.push(text);
  }

  private flush(): void {
    const gathered = this.gathered;
    this.gathered = new Map();
    if (this.life === undefined) return;
    for (const [channel, texts] of gathered) {
      if (channel === this.channels.wake) for (const shard of new Set(texts)) this.publish(channel, shard);
      else for (const batch of batchesOf(texts)) this.publish(channel, `[${batch.join(',')}]`);
    }
  }

  private publish(channel: string, text: string): void {
    if (this.unansweredCharacters + text.length > UNANSWERED_CHARACTERS_MAX && this.unanswered.size > 0) {
      this.losses.unsent += 1;
      return;
    }
    this.unansweredCharacters += text.length;
    const answered: Promise<void> = this.publishOn(channel, text)
      .catch(() => {
        this.losses.unsent += 1;
      })
      .then(() => {
        this.unansweredCharacters -= text.length;
        this.unanswered.delete(answered);
      });
    this.unanswered.add(answered);
  }

  private async publishOn(channel: string, text: string): Promise<void> {
    const { client, sharded } = this.options;
    await (isSharded(sharded) && channel !== this.channels.wake
      ? client.spublish(channel, text)
      : client.publish(channel, text));
  }

  private arrived(channel: string, text: string, receive: (message: TransportMessage) => void): void {
    if (channel === this.channels.wake) {
      if (/^\d{1,15}$/.test(text)) receive({ type: 'wake', shard: Number(text) });
      else this.losses.malformed += 1;
      return;
    }
    for (const value of listIn(text)) {
      const message = transportMessageOf(value);
      if (message === undefined) this.losses.malformed += 1;
      else receive(message);
    }
  }
}

interface LifeEvents {
  message(channel: string, text: string): void;
  failed(error: unknown): void;
}

/** The subscriptions of one life of a node. */
class Life {
  /** The first subscription is there. */
  readonly started: Promise<void>;
  private readonly plain: readonly string[];
  private readonly sharded: readonly string[];
  private hasEnded = false;
  private readonly onMessage: ChannelListener;
  private readonly onReady: () => void;

  constructor(
    readonly incarnation: string,
    private readonly options: RedisTransportOptions,
    channels: ClusterChannels,
    events: LifeEvents,
  ) {
    const ofNodes = [channels.nodes, channels.node(incarnation)];
    this.plain = isSharded(options.sharded) ? [channels.wake] : [channels.wake, ...ofNodes];
    this.sharded = isSharded(options.sharded) ? ofNodes : [];
    const mine = new Set([...this.plain, ...this.sharded]);
    this.onMessage = (channel, text) => {
      if (mine.has(channel)) events.message(channel, text);
    };
    // A client may subscribe again by itself when it is back; doing it once more changes nothing.
    this.onReady = () => {
      this.subscribe().catch((error: unknown) => {
        if (!this.hasEnded) events.failed(error);
      });
    };
    const { subscriber } = options;
    subscriber.on('message', this.onMessage);
    subscriber.on('smessage', this.onMessage);
    subscriber.on('ready', this.onReady);
    this.started = this.subscribe();
  }

  async end(): Promise<void> {
    if (this.hasEnded) return;
    this.hasEnded = true;
    const { subscriber } = this.options;
    subscriber.off('message', this.onMessage);
    subscriber.off('smessage', this.onMessage);
    subscriber.off('ready', this.onReady);
    try {
      await subscriber.unsubscribe(...this.plain);
      for (const channel of this.sharded) await subscriber.sunsubscribe(channel);
    } catch {
      // The connection is gone, and the subscriptions with it.
    }
  }

  private async subscribe(): Promise<void> {
    const { subscriber } = this.options;
    await subscriber.subscribe(...this.plain);
    // One by one: each channel has a slot of its own.
    for (const channel of this.sharded) await subscriber.ssubscribe(channel);
  }
}

function* batchesOf(texts: readonly string[]): Iterable<readonly string[]> {
  let batch: string[] = [];
  let characters = 0;
  for (const text of texts) {
    if (batch.length > 0 && (batch.length >= BATCH_MESSAGES_MAX || characters + text.length > BATCH_CHARACTERS_MAX)) {
      yield batch;
      batch = [];
      characters = 0;
    }
    batch.push(text);
    characters += text.length;
  }
  if (batch.length > 0) yield batch;
}

/** The values of a batch. Anything else counts as one value, which is no message. */
function listIn(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [value];
  } catch {
    return [undefined];
  }
}

function isSharded(sharded: RedisTransportOptions['sharded']): boolean {
  return typeof sharded === 'function' ? sharded() : sharded === true;
}
