/**
 * Which server a connection talks to, as the server says itself. A restart and a promotion show as another identity (M9);
 * the address alone says nothing: a promoted server, or one that lost what it had, may answer at the same one.
 */

import type { Redis } from 'ioredis';
import { ownEntry } from '../../runtime/own-entry.js';

export interface ServerIdentity {
  /** Host and port that it was reached at. */
  readonly address: string;
  /** False: the server does not let this user ask (ACL), and everything below is undefined. */
  readonly readable: boolean;
  /** Made anew with each start of the server's process. */
  readonly runId: string | undefined;
  /** Names the history of the data; a promotion and a restart make a new one. */
  readonly replicationId: string | undefined;
  /** The history that the data came from, if this server was promoted. */
  readonly replicationIdBefore: string | undefined;
  readonly role: 'primary' | 'replica' | undefined;
  readonly mode: 'standalone' | 'cluster' | 'sentinel' | undefined;
  /** The version of Redis whose commands the server has: Valkey says the one that it is compatible with. */
  readonly version: string | undefined;
  /** Valkey's own version; undefined on Redis. */
  readonly valkeyVersion: string | undefined;
}

/** A server that is not the one before. */
export interface IdentityChange {
  readonly before: ServerIdentity;
  readonly now: ServerIdentity;
  /** Whether it carries on the history of the one before as its primary; else it was restarted, or is another one. */
  readonly promoted: boolean;
}

/** Asks the server that a connection talks to. Rejects only when the connection is lost meanwhile. */
export async function readServerIdentity(connection: Redis): Promise<ServerIdentity> {
  const address = addressOf(connection);
  const answers = await Promise.allSettled([connection.info('server'), connection.info('replication')]);
  let text = '';
  for (const answer of answers) {
    if (answer.status === 'fulfilled') text += `${answer.value}\r\n`;
    else if (!isDenial(answer.reason)) throw answer.reason;
  }
  return identityOf(address, text);
}

/** NOPERM, a command that was renamed away, or a connection of RESP2 that has subscriptions. */
function isDenial(error: unknown): boolean {
  return error instanceof Error && /NOPERM|unknown command|subscriber mode/i.test(error.message);
}

export function identityOf(address: string, infoText: string): ServerIdentity {
  const fields = new Map<string, string>();
  for (const line of infoText.split('\r\n')) {
    const at = line.indexOf(':');
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1));
  }
  const before = fields.get('master_replid2');
  return {
    address,
    readable: fields.has('run_id'),
    runId: fields.get('run_id'),
    replicationId: fields.get('master_replid'),
    // Zeros stand for none.
    replicationIdBefore: before === undefined || /^0+$/.test(before) ? undefined : before,
    role: pick(fields.get('role'), { master: 'primary', slave: 'replica' }),
    mode: pick(fields.get('redis_mode') ?? fields.get('server_mode'), {
      standalone: 'standalone',
      cluster: 'cluster',
      sentinel: 'sentinel',
    }),
    version: fields.get('redis_version'),
    valkeyVersion: fields.get('valkey_version'),
  };
}

function pick<T extends string>(value: string | undefined, of: Readonly<Record<string, T>>): T | undefined {
  return value === undefined ? undefined : ownEntry(of, value);
}

/** What has changed between two looks, or undefined. What could not be read does not count as changed. */
export function identityChange(before: ServerIdentity | undefined, now: ServerIdentity): IdentityChange | undefined {
  if (before === undefined) return undefined;
  const differs = (['runId', 'replicationId', 'role'] as const).some(
    (key) => before[key] !== undefined && now[key] !== undefined && before[key] !== now[key],
  );
  if (!differs) return undefined;
  const carriesOn = now.replicationIdBefore !== undefined && now.replicationIdBefore === before.replicationId;
  return { before, now, promoted: now.role === 'primary' && (carriesOn || before.role === 'replica') };
}

/** Whether a version like `7.0.15` is at least `major.minor`; an unknown one is not. */
export function isVersionAtLeast(version: string | undefined, major: number, minor = 0): boolean {
  const [ours = 0, oursMinor = 0] = (version ?? '').split('.').map(Number);
  return ours > major || (ours === major && oursMinor >= minor);
}

export function addressOf(connection: Redis): string {
  const { path, host, port, sentinels, name } = connection.options;
  if (path !== undefined && path !== null) return path;
  // Of a primary that Sentinels named, the options know nothing; the socket does, while there is one.
  const { remoteAddress, remotePort } = connection.stream ?? {};
  if (remoteAddress !== undefined) return `${remoteAddress}:${remotePort}`;
  return sentinels === undefined || sentinels === null
    ? `${host}:${port}`
    : `the address of "${name}" that Sentinels tell`;
}
