/**
 * The option `redis`: a URL, an object, or a ready client; and what it becomes once resolved. This file knows nothing of
 * the client library: who connects is in `wal/redis`.
 */
import { z } from 'zod';
import { durationMs, flag, passedOn, section, text, whole } from './config-values.js';

/** A client of ioredis, `Redis` or `Cluster`. It is duplicated and never used or closed itself. */
export interface ReadyRedisClient {
  duplicate(...overrides: never[]): unknown;
}

export interface RedisAddress {
  readonly host: string;
  /** Default 6379; of a Sentinel 26379. */
  readonly port?: number | undefined;
}

/** Where the server outside of a private network says to be reached, by `host:port` as the servers tell it. */
export type RedisNatMap =
  | Readonly<Record<string, { readonly host: string; readonly port: number }>>
  | ((address: string) => { readonly host: string; readonly port: number } | null);

/** One server, a set of Sentinels, or a Cluster. What is not listed here is set with a ready client. */
export interface RedisOptions {
  /** `redis://user:password@host:port/db`, with TLS `rediss://`. Instead of `host`, `port` and the like. */
  readonly url?: string | undefined;
  /** Default `localhost`. */
  readonly host?: string | undefined;
  /** Default 6379. */
  readonly port?: number | undefined;
  /** A Unix socket, instead of `host` and `port`. */
  readonly path?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Number of the database. Default 0; a Cluster has no other. */
  readonly db?: number | undefined;
  /** 4 or 6: only addresses of this kind. Default 0: either. */
  readonly family?: 0 | 4 | 6 | undefined;
  /** True, or options of Node's `tls.connect`. Default: no TLS. */
  readonly tls?: boolean | object | undefined;
  /** Sentinels that know the server; `name` says which. Instead of `host` and `port`. */
  readonly sentinels?: readonly RedisAddress[] | undefined;
  /** What the Sentinels call the primary. */
  readonly name?: string | undefined;
  readonly sentinelUsername?: string | undefined;
  readonly sentinelPassword?: string | undefined;
  /** TLS to the Sentinels. Default: no TLS. */
  readonly sentinelTLS?: boolean | object | undefined;
  /** Some nodes of a Redis Cluster; the others are found. Instead of `host` and `port`. */
  readonly cluster?: readonly RedisAddress[] | undefined;
  /** With `sentinels` or `cluster`. */
  readonly natMap?: RedisNatMap | undefined;
  /** Milliseconds that connecting may take. Default 2000. */
  readonly connectTimeout?: number | undefined;
  /**
   * Milliseconds without any answer after which a connection that owes one is given up, with everything that is under
   * way on it. Default 5000.
   */
  readonly commandTimeout?: number | undefined;
}

export type RedisConfig = string | RedisOptions | ReadyRedisClient;

interface ResolvedRedisBase {
  /** Replicas that must have a write before anything is resolved, started or answered. 0: durability `async`. */
  readonly replicas: number;
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
}

interface ResolvedRedisServer extends ResolvedRedisBase {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly db: number;
  readonly family: 0 | 4 | 6;
  /** Options of `tls.connect`; undefined: no TLS. Handed on as they are. */
  readonly tls: object | undefined;
}

export type ResolvedAddress = Readonly<Required<{ host: string; port: number }>>;

export type ResolvedRedis =
  | (ResolvedRedisBase & { readonly kind: 'client'; readonly client: ReadyRedisClient })
  | (ResolvedRedisServer & {
      readonly kind: 'single';
      readonly host: string;
      readonly port: number;
      readonly path: string | undefined;
    })
  | (ResolvedRedisServer & {
      readonly kind: 'sentinel';
      readonly sentinels: readonly ResolvedAddress[];
      readonly name: string;
      readonly sentinelUsername: string | undefined;
      readonly sentinelPassword: string | undefined;
      readonly sentinelTls: object | undefined;
      readonly natMap: RedisNatMap | undefined;
    })
  | (ResolvedRedisServer & {
      readonly kind: 'cluster';
      readonly nodes: readonly ResolvedAddress[];
      readonly natMap: RedisNatMap | undefined;
    });

const port = whole('the port', 1, 65_535);
const host = text('the name or address of a host', (value) => /^\S+$/.test(value));
const secret = text('a text that is not empty', (value) => value.length > 0);
const tls = z.union([flag, passedOn('')], { error: () => 'true, false or options of tls.connect' });

export const redisAddressSchema = section({ host, port: port.optional() });

const addresses = z
  .array(redisAddressSchema, { error: () => 'a list of addresses, each with host and port' })
  .min(1, { error: () => 'a list of at least one address' });

export const redisSchema = section({
  url: secret.optional(),
  host: host.optional(),
  port: port.optional(),
  path: text('the path of a socket', (value) => value.length > 0).optional(),
  username: text('a name', (value) => value.length > 0).optional(),
  password: secret.optional(),
  db: whole('the database', 0, 1_000_000).optional(),
  family: z.literal([0, 4, 6], { error: () => '0, 4 or 6' }).optional(),
  tls: tls.optional(),
  sentinels: addresses.optional(),
  name: text('the name of a primary', (value) => value.length > 0).optional(),
  sentinelUsername: text('a name', (value) => value.length > 0).optional(),
  sentinelPassword: secret.optional(),
  sentinelTLS: tls.optional(),
  cluster: addresses.optional(),
  natMap: passedOn<Extract<RedisNatMap, object>>('a map of addresses, or a function', true).optional(),
  connectTimeout: durationMs(1).optional(),
  commandTimeout: durationMs(100).optional(),
});

export type CheckedRedisOptions = z.output<typeof redisSchema>;

export function isReadyClient(value: unknown): value is ReadyRedisClient {
  return typeof value === 'object' && value !== null && 'duplicate' in value && typeof value.duplicate === 'function';
}

/** Which of the ways to name a server these options take. */
function placeOf(options: CheckedRedisOptions): string[] {
  const ways: string[] = [];
  if (options.url !== undefined) ways.push('redis.url');
  if (options.sentinels !== undefined) ways.push('redis.sentinels');
  if (options.cluster !== undefined) ways.push('redis.cluster');
  if (options.path !== undefined) ways.push('redis.path');
  if (options.host !== undefined) ways.push('redis.host');
  else if (options.port !== undefined) ways.push('redis.port');
  return ways;
}

/** What is legal by itself but not together. */
export function redisContradictions(options: CheckedRedisOptions): string[] {
  const problems: string[] = [];
  const ways = placeOf(options);
  if (ways.length > 1) {
    problems.push(`${ways.join(' and ')} are given, and each of them says where the server is; expected one of them.`);
  }
  if (options.sentinels !== undefined && options.name === undefined) {
    problems.push(
      'redis.sentinels is given without redis.name; expected the name that the Sentinels have for the primary.',
    );
  }
  for (const key of ['name', 'sentinelUsername', 'sentinelPassword', 'sentinelTLS'] as const) {
    if (options[key] !== undefined && options.sentinels === undefined) {
      problems.push(`redis.${key} is given without redis.sentinels, and means nothing then.`);
    }
  }
  if (options.natMap !== undefined && options.sentinels === undefined && options.cluster === undefined) {
    problems.push('redis.natMap is given without redis.sentinels or redis.cluster, and means nothing then.');
  }
  if (options.cluster !== undefined && (options.db ?? 0) !== 0) {
    problems.push(`redis.db is ${options.db} and redis.cluster is given; a Cluster has only the database 0.`);
  }
  return problems;
}

/** What a URL says, or why it says nothing. Its text is never repeated: it may hold a password. */
export function readRedisUrl(url: string, at: string): CheckedRedisOptions | string {
  const expected = 'expected redis://[user:password@]host[:port][/db], or rediss:// for TLS; it is not shown here';
  let parsed: URL;
  let user: string;
  let password: string;
  try {
    parsed = new URL(url);
    user = decodeURIComponent(parsed.username);
    password = decodeURIComponent(parsed.password);
  } catch {
    return `${at} is not a URL (a password with special characters must be percent-encoded); ${expected}.`;
  }
  const secure = /^(rediss|valkeys):$/.test(parsed.protocol);
  if (!secure && !/^(redis|valkey):$/.test(parsed.protocol)) return `${at} has another protocol; ${expected}.`;
  const database = /^\/?(\d{0,6})$/.exec(parsed.pathname)?.[1];
  if (parsed.hostname === '' || database === undefined) return `${at} is not complete; ${expected}.`;
  const options: { -readonly [K in keyof CheckedRedisOptions]: CheckedRedisOptions[K] } = {
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
  };
  if (parsed.port !== '') options.port = Number(parsed.port);
  if (user !== '') options.username = user;
  if (password !== '') options.password = password;
  if (database !== '') options.db = Number(database);
  if (secure) options.tls = true;
  for (const [name, value] of parsed.searchParams) {
    if (name === 'db' && /^\d{1,6}$/.test(value) && options.db === undefined) options.db = Number(value);
    else if (name === 'family' && /^[046]$/.test(value)) options.family = Number(value) as 0 | 4 | 6;
    else return `${at} has the parameter ${JSON.stringify(name)}; expected none but family, or an object with options.`;
  }
  return options;
}

/** Options and URL in one; a thing that both say must be the same. */
export function withUrl(options: CheckedRedisOptions): {
  readonly options: CheckedRedisOptions;
  readonly problems: string[];
} {
  if (options.url === undefined) return { options, problems: [] };
  const fromUrl = readRedisUrl(options.url, 'redis.url');
  if (typeof fromUrl === 'string') return { options, problems: [fromUrl] };
  const problems: string[] = [];
  for (const key of ['username', 'password', 'db', 'family'] as const) {
    if (options[key] === undefined || fromUrl[key] === undefined || options[key] === fromUrl[key]) continue;
    problems.push(`redis.${key} and redis.url say different things of ${key}; give it once.`);
  }
  if (options.tls === false && fromUrl.tls === true) {
    problems.push('redis.tls is false, and redis.url begins with rediss://; expected one or the other.');
  }
  const { url: _, ...others } = options;
  const said = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
  return { options: { ...fromUrl, ...said }, problems };
}

/** The settled form. The options have been checked. */
export function settleRedis(options: CheckedRedisOptions, replicas: number): ResolvedRedis {
  const server: ResolvedRedisServer = {
    replicas,
    connectTimeoutMs: options.connectTimeout ?? REDIS_TIMEOUTS_MS.connect,
    commandTimeoutMs: options.commandTimeout ?? REDIS_TIMEOUTS_MS.command,
    username: options.username,
    password: options.password,
    db: options.db ?? 0,
    family: options.family ?? 0,
    tls: tlsOf(options.tls),
  };
  const { natMap } = options;
  if (options.cluster !== undefined) {
    return { ...server, kind: 'cluster', nodes: settledAddresses(options.cluster, 6_379), natMap };
  }
  if (options.sentinels !== undefined) {
    return {
      ...server,
      kind: 'sentinel',
      sentinels: settledAddresses(options.sentinels, 26_379),
      name: options.name ?? '',
      sentinelUsername: options.sentinelUsername,
      sentinelPassword: options.sentinelPassword,
      sentinelTls: tlsOf(options.sentinelTLS),
      natMap,
    };
  }
  const { path } = options;
  return { ...server, kind: 'single', host: options.host ?? 'localhost', port: options.port ?? 6_379, path };
}

/** Milliseconds, where nothing else is said. */
export const REDIS_TIMEOUTS_MS = { connect: 2_000, command: 5_000 } as const;

function settledAddresses(list: readonly RedisAddress[], usual: number): ResolvedAddress[] {
  return list.map((address) => ({ host: address.host, port: address.port ?? usual }));
}

function tlsOf(value: boolean | object | undefined): object | undefined {
  return typeof value === 'object' ? value : value === true ? {} : undefined;
}
