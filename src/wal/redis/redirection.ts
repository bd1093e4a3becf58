/**
 * Where a server of a Cluster says that a key is, when it is not with it. The client library follows this by itself; whoever
 * must stay on one connection reads it here.
 */
import type { Cluster, Redis } from 'ioredis';
import { addressIn } from './sockets.js';

export interface Redirection {
  /** `ask`: only this one command goes there, with ASKING before it, because the slot is just being moved. */
  readonly kind: 'moved' | 'ask';
  /** Empty: the host of the server that said it. */
  readonly host: string;
  readonly port: number;
}

/** What an error answer says about the place of its key, if that is what it is about. */
export function redirectionIn(error: unknown): Redirection | undefined {
  const [, kind, host = '', port] =
    /^(MOVED|ASK) \d+ (\S*):(\d+)$/.exec(error instanceof Error ? error.message : '') ?? [];
  if (kind === undefined) return undefined;
  return { kind: kind === 'MOVED' ? 'moved' : 'ask', host, port: Number(port) };
}

/** The address at which this client reaches the server, as `addressIn` has it. */
export function addressOfRedirection(cluster: Cluster, from: Redis, { host, port }: Redirection): string {
  const told = `${host === '' ? from.options.host : host}:${port}`;
  const { natMap } = cluster.options;
  const mapped = typeof natMap === 'function' ? natMap(told) : natMap?.[told];
  return mapped === undefined || mapped === null ? told : `${mapped.host}:${mapped.port}`;
}

/** The connection to an address, if the client has one. */
export function connectionAt(cluster: Cluster, address: string): Redis | undefined {
  return cluster.nodes().find((node) => addressIn(node) === address);
}
