/** Types of `harness.mjs`. Every class is made with its `start()` and ended with `dispose()`. */

/** An answer of a server: status and bulk texts, integers, null, and lists of them. */
export type Answer = string | number | null | Answer[];

export interface ServerOptions {
  /** What the append-only file does; `no`: there is none. Default `everysec`. */
  readonly appendonly?: 'everysec' | 'always' | 'no';
  /** e.g. `64mb`. Default: no limit. */
  readonly maxmemory?: string;
  /** The server's `maxmemory-policy`. Default `noeviction`. */
  readonly policy?: string;
  /** `requirepass`, and what it sends to its primary. */
  readonly password?: string;
  /** Databases that there are. Default 16. */
  readonly databases?: number;
  /**
   * A second port with TLS; the harness itself goes on with the plain one. `certificate`: `server` (default, for localhost
   * and 127.0.0.1) or `elsewhere`. `authClients`: whether clients need a certificate of the same authority; default `no`.
   */
  readonly tls?: { readonly certificate?: 'server' | 'elsewhere'; readonly authClients?: 'yes' | 'no' | 'optional' };
  /** Whether it is a node of a Redis Cluster. Default false. */
  readonly cluster?: boolean;
  /** Further settings by their names in the server's configuration. */
  readonly config?: Readonly<Record<string, string | number>>;
}

export class RedisServer {
  static start(options?: ServerOptions): Promise<RedisServer>;
  constructor(options?: ServerOptions);
  readonly host: string;
  /** Stays the same when the server restarts. */
  readonly port: number;
  /** With `tls`. */
  readonly tlsPort: number | undefined;
  /** Of the process that runs now. */
  readonly pid: number | undefined;
  readonly folder: string | undefined;
  readonly password: string | undefined;
  readonly url: string;
  start(): Promise<void>;
  /** Ends the process in order. */
  stop(): Promise<void>;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** Stops (or kills) and starts on the same port and folder. */
  restart(options?: { readonly kill?: boolean }): Promise<void>;
  /** SIGSTOP. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** One command on a connection of its own; an error answer rejects. */
  command(...args: readonly (string | number)[]): Promise<Answer>;
  info(section: string): Promise<Record<string, string>>;
  /** Client connections whose name begins with `name`, with the fields of CLIENT LIST. */
  connections(name?: string): Promise<Record<string, string>[]>;
  log(): string;
  /** Becomes a replica and waits until it is in sync. `port`: of a proxy before the primary, whose link can be cut. */
  replicate(primary: RedisServer, options?: { readonly port?: number }): Promise<void>;
  /** REPLICAOF NO ONE. */
  promote(): Promise<void>;
  /** Ends the process and removes its folder. */
  dispose(): Promise<void>;
}

export class RedisCluster {
  /** Waits until every node says `cluster_state:ok`. Defaults: 3 masters, 0 replicas each. */
  static start(
    options?: ServerOptions & { readonly masters?: number; readonly replicas?: number },
  ): Promise<RedisCluster>;
  /** The masters at the start. */
  readonly servers: readonly RedisServer[];
  readonly replicas: readonly RedisServer[];
  readonly all: readonly RedisServer[];
  readonly nodes: { readonly host: string; readonly port: number }[];
  ready(timeoutMs?: number): Promise<void>;
  /** The servers that take writes now. */
  primaries(): Promise<RedisServer[]>;
  /** The servers that follow a primary now. */
  presentReplicas(): Promise<RedisServer[]>;
  replicaOf(primary: RedisServer): Promise<RedisServer | undefined>;
  /** Nothing of its primary reaches a replica from now on; the Cluster itself notices nothing. For servers without a password. */
  cutLink(replica: RedisServer): Promise<void>;
  /** Resolves when the replica is in sync again. */
  mendLink(replica: RedisServer): Promise<void>;
  /** CLUSTER FAILOVER TAKEOVER, with what the replica has. Resolves when the former primary follows it and everyone knows. */
  takeOver(replica: RedisServer): Promise<void>;
  ownerOf(slot: number): Promise<RedisServer | undefined>;
  slotOf(key: string): Promise<number>;
  /** First half of a move: ASK and TRYAGAIN are answered until `finishMove`. */
  beginMove(slot: number, from: RedisServer, to: RedisServer): Promise<void>;
  moveKeys(slot: number, from: RedisServer, to: RedisServer, count?: number): Promise<number>;
  finishMove(slot: number, to: RedisServer): Promise<void>;
  /** Moves a range of slots, both ends included, with their keys. */
  reshard(firstSlot: number, lastSlot: number, from: RedisServer, to: RedisServer): Promise<void>;
  dispose(): Promise<void>;
}

export class SentinelSet {
  static start(options?: {
    /** What the Sentinels call the primary. Default `mymaster`. */
    readonly name?: string;
    /** Silence after which it counts as down. Default 500. */
    readonly downAfterMs?: number;
    /** Replicas of the primary. Default 1. */
    readonly replicas?: number;
    readonly server?: ServerOptions;
    /** Of the Sentinels themselves. */
    readonly sentinelPassword?: string;
    /** Whether the Sentinels have a second port with TLS each. Default false. */
    readonly sentinelTls?: boolean;
  }): Promise<SentinelSet>;
  readonly name: string;
  /** At the start. */
  readonly primary: RedisServer;
  /** The first one at the start. */
  readonly replica: RedisServer;
  readonly servers: readonly RedisServer[];
  readonly nodes: { readonly host: string; readonly port: number }[];
  /** With `sentinelTls`. */
  readonly tlsNodes: { readonly host: string; readonly port: number }[];
  /** Undefined while the Sentinels do not agree. */
  primaryPort(): Promise<number | undefined>;
  /** Has the Sentinels promote a replica of a primary that is well. Resolves before it is done; see `failedOver`. */
  failOver(): Promise<void>;
  /** Waits until the Sentinels have made another server than `from` (default: the first primary) the primary. */
  failedOver(options?: { readonly from?: RedisServer; readonly timeoutMs?: number }): Promise<RedisServer>;
  /** Ends the Sentinels and leaves the servers. */
  stopSentinels(): Promise<void>;
  dispose(): Promise<void>;
}

export class TcpProxy {
  static start(targetPort: number): Promise<TcpProxy>;
  readonly port: number;
  readonly connections: number;
  /** New connections go to this port. */
  retarget(targetPort: number): void;
  accept(): Promise<void>;
  refuse(): Promise<void>;
  cut(): void;
  /** Half-open: nothing goes through, nothing is closed. */
  freeze(): void;
  thaw(): void;
  delay(delayMs: number): void;
  dropAnswers(on?: boolean): void;
  /** The next answer is lost and its connection cut. Resolves when that has happened. */
  cutNextAnswer(): Promise<void>;
  dispose(): Promise<void>;
}

/** Asks again and again (every 20 ms, for 15 s) until the answer is neither undefined nor false. */
export function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  options?: { readonly timeoutMs?: number; readonly everyMs?: number },
): Promise<Exclude<T, undefined | false>>;

/** The first number of the version of the server's program; Valkey began with 7. */
export function serverMajor(): number;

/** Whether the server's program was built with TLS. */
export function serverHasTls(): boolean;

/** The text of one of the tests' certificates and keys: `ca.crt`, `other-ca.crt`, `client.crt`, `client.key`. */
export function certificate(file: string): string;

/** Where the first of these programs is on the PATH. */
export function programOnPath(...names: readonly string[]): string | undefined;
