/** What a store is: made once, checked by everyone who starts, and looked after while it runs. */

import { lineFormatText } from '../shared-wal.js';
import { fatalRedisError, redisError } from './errors.js';
import { clusterKeys, shardKeys } from './keys.js';
import { LINE_FORMAT_MIN, lineFormatOf } from './line-format.js';
import { SLICES_DEFAULT } from './options.js';
import { type RedisClient, runScript, SCRIPTS } from './scripts.js';

/** Of what everybody sees of a store, producers in other languages too; lines have a format of their own. */
export const FORMAT_VERSION = 1;

export interface StoreIdentity {
  readonly clusterId: string;
  readonly slices: number;
  /** The format that lines are written in. */
  readonly lineFormat: number;
}

export interface IdentityOptions {
  readonly client: RedisClient;
  readonly prefix: string;
  /** Undefined: what the store has. */
  readonly slices: number | undefined;
  /** The newest format of lines that this node understands, and the one that a new store begins with. */
  readonly lineFormatMax: number;
  readonly newLineFormat: number;
  readonly newClusterId: () => string;
  readonly now: () => number;
}

/** The store's identity; makes it where there is none. Throws `StoreUnavailableError` when it is not as it should be. */
export async function startStore({
  client,
  prefix,
  slices,
  lineFormatMax,
  newLineFormat,
  newClusterId,
  now,
}: IdentityOptions): Promise<StoreIdentity> {
  const { meta } = clusterKeys(prefix);
  let fields: ReadonlyMap<string, string>;
  try {
    if ((await client.exists(meta)) === 0 && (await client.exists(shardKeys(prefix, 0).meta)) > 0) {
      throw fatalRedisError(
        `The key ${meta} is gone, but shards of a store are there under the prefix "${prefix}". Someone removed part of the store: put it back from a backup, remove the rest too, or choose another \`keyPrefix\`.`,
      );
    }
    const made = [
      ...['format', String(FORMAT_VERSION), 'clusterId', newClusterId()],
      ...['slices', String(slices ?? SLICES_DEFAULT), 'madeAt', String(now())],
      ...(newLineFormat > LINE_FORMAT_MIN ? ['lineFormat', String(newLineFormat)] : []),
    ];
    fields = pairsOf((await runScript(client, SCRIPTS.makeStore, [meta], made)) as string[]);
  } catch (error) {
    throw redisError(error, false);
  }
  const format = fields.get('format');
  const clusterId = fields.get('clusterId');
  const stored = Number(fields.get('slices'));
  if (format === undefined || clusterId === undefined || !Number.isSafeInteger(stored)) {
    throw fatalRedisError(
      `The key ${meta} holds something else than a store of this library. Choose another \`keyPrefix\`, or remove it.`,
    );
  }
  if (format !== String(FORMAT_VERSION)) {
    throw fatalRedisError(
      `The store under the prefix "${prefix}" has format ${format}, and this version reads format ${FORMAT_VERSION}. Use the version of this library that wrote it, or a newer one.`,
    );
  }
  if (slices !== undefined && stored !== slices) {
    throw fatalRedisError(
      `The store under the prefix "${prefix}" was made with ${stored} shards, and this node is configured with ${slices}. The number is fixed when the store is made: configure ${stored}.`,
    );
  }
  const lineFormat = lineFormatOf(fields.get('lineFormat'));
  if (!(lineFormat <= lineFormatMax)) throw fatalRedisError(lineFormatText(lineFormat, lineFormatMax));
  return { clusterId, slices: stored, lineFormat };
}

/** Whether this is still the same store. Throws when it is gone or another one. */
export function checkIdentity(prefix: string, identity: StoreIdentity, clusterId: string | null): void {
  if (clusterId === identity.clusterId) return;
  const { meta } = clusterKeys(prefix);
  throw fatalRedisError(
    clusterId === null
      ? `The store ${identity.clusterId} is gone: the key ${meta} no longer exists. Nothing is started afresh in its place; stop this node and look what became of the data.`
      : `The store under the prefix "${prefix}" is now ${clusterId}, and was ${identity.clusterId}. Stop this node: it works for a store that is no longer there.`,
  );
}

export async function readClusterId(client: RedisClient, prefix: string): Promise<string | null> {
  return client.hget(clusterKeys(prefix).meta, 'clusterId');
}

function pairsOf(list: readonly string[]): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  for (let at = 0; at + 1 < list.length; at += 2) pairs.set(list[at] as string, list[at + 1] as string);
  return pairs;
}
