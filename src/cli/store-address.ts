/**
 * Which store a command is about: what the command line says, else the environment, else the application's default. A
 * store is a file of the embedded store, or lies on a Redis server.
 */
import { resolve } from 'node:path';
import { type ConsoleIo, UsageError } from './console-io.js';

/** Where an application keeps its store unless told otherwise. */
const DEFAULT_PATH = 'atomic-queues.db';
const DEFAULT_PREFIX = 'aq';
const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26379;

export interface StoreOptions {
  readonly path?: string | undefined;
  readonly redis?: string | undefined;
  readonly prefix?: string | undefined;
  readonly cluster?: string | undefined;
  readonly sentinels?: string | undefined;
}

interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

export interface FileAddress {
  readonly kind: 'file';
  readonly path: string;
}

export interface RedisAddress {
  readonly kind: 'redis';
  /** `redis://` or `rediss://`; of a Cluster and with Sentinels: user, password and TLS are taken from it. */
  readonly url: string;
  readonly prefix: string;
  /** Nodes of a Redis Cluster to begin with; empty: one server. */
  readonly clusterNodes: readonly HostAndPort[];
  /** Sentinels, and what they call the primary. */
  readonly sentinels?: { readonly name: string; readonly nodes: readonly HostAndPort[] } | undefined;
}

export type StoreAddress = FileAddress | RedisAddress;

/** @throws UsageError when what is said does not fit together, or is no address. */
export function storeAddress(io: ConsoleIo, given: StoreOptions): StoreAddress {
  // What the command line names is not mixed with what the environment names.
  const { path, redis, cluster, sentinels } = isNamed(given) ? given : fromEnvironment(io);
  if (path !== undefined && isNamed({ redis, cluster, sentinels })) {
    throw new UsageError(
      'Name one store: a file (--path, ATOMIC_QUEUES_PATH), or one on Redis (--redis, ATOMIC_QUEUES_REDIS).',
    );
  }
  if (redis === undefined && cluster === undefined && sentinels === undefined) {
    if (given.prefix !== undefined)
      throw new UsageError('--prefix is for a store on Redis: name its server with --redis.');
    return { kind: 'file', path: resolve(io.cwd, path ?? DEFAULT_PATH) };
  }
  if (cluster !== undefined && sentinels !== undefined)
    throw new UsageError('--cluster and --sentinels exclude each other.');
  const clusterNodes = cluster === undefined ? [] : parseHosts(cluster, DEFAULT_PORT);
  const sentinel = sentinels === undefined ? undefined : parseSentinels(sentinels);
  const first = sentinel?.nodes[0] ?? clusterNodes[0];
  return {
    kind: 'redis',
    url: checkUrl(redis ?? `redis://${hostText(first)}`),
    prefix: given.prefix ?? variable(io, 'PREFIX') ?? DEFAULT_PREFIX,
    clusterNodes,
    ...(sentinel !== undefined && { sentinels: sentinel }),
  };
}

function isNamed({ path, redis, cluster, sentinels }: StoreOptions): boolean {
  return path !== undefined || redis !== undefined || cluster !== undefined || sentinels !== undefined;
}

function fromEnvironment(io: ConsoleIo): StoreOptions {
  return {
    path: variable(io, 'PATH'),
    redis: variable(io, 'REDIS'),
    cluster: variable(io, 'CLUSTER'),
    sentinels: variable(io, 'SENTINELS'),
  };
}

/** The address as it may be shown to anyone: without a password. */
export function addressText(address: StoreAddress): string {
  return address.kind === 'file' ? address.path : `"${address.prefix}" on ${serverText(address)}`;
}

function serverText({ url, clusterNodes, sentinels }: RedisAddress): string {
  if (sentinels !== undefined)
    return `Redis "${sentinels.name}" of the Sentinels ${sentinels.nodes.map(hostText).join(',')}`;
  const { host, pathname } = new URL(url);
  const one = `${host}${pathname.replace(/^\/$/, '')}`;
  return `Redis at ${clusterNodes.length > 0 ? clusterNodes.map(hostText).join(',') : one}`;
}

function hostText(node: HostAndPort | undefined): string {
  if (node === undefined) return '';
  return node.host.includes(':') ? `[${node.host}]:${node.port}` : `${node.host}:${node.port}`;
}

function variable(io: ConsoleIo, name: string): string | undefined {
  return io.env[`ATOMIC_QUEUES_${name}`] || undefined;
}

function checkUrl(text: string): string {
  // A host alone is what people type first.
  const url = parseUrl(/^[a-z+]+:\/\//i.test(text) ? text : `redis://${text}`);
  if (url === null || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') {
    throw new UsageError(
      'The address of a Redis server is a URL such as redis://:password@localhost:6379/0, or rediss://… for TLS.',
    );
  }
  return url.href;
}

function parseSentinels(text: string): { name: string; nodes: HostAndPort[] } {
  const [name, hosts, ...more] = text.split('@');
  if (name === undefined || name === '' || hosts === undefined || more.length > 0)
    throw new UsageError(
      'Sentinels are given as name@host:port,host:port, with the name that they have for the primary.',
    );
  return { name, nodes: parseHosts(hosts, DEFAULT_SENTINEL_PORT) };
}

function parseHosts(text: string, defaultPort: number): HostAndPort[] {
  return text.split(',').map((each) => {
    const url = parseUrl(`redis://${each.trim()}`);
    if (url === null || url.hostname === '' || url.pathname.length > 1 || url.username !== '')
      throw new UsageError(`Nodes are given as host:port,host:port; "${each.trim()}" is none.`);
    return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? defaultPort : Number(url.port) };
  });
}

function parseUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}
