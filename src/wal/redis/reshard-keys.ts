/**
 * Keys of a reshard. What is being made stands beside what is there, under names of its own with the same hash tags, so that
 * one script can put a whole shard in its place, in a Redis Cluster too.
 */
import { clusterKeys, type ShardKeys, shardKeys } from './keys.js';

/** Hash: how far a reshard has come. There only while one is under way, or was interrupted. */
export function journalKey(prefix: string): string {
  return beside(clusterKeys(prefix).meta, 'reshard');
}

/** The keys of a shard of the new layout before it is in its place. */
export function stagedShardKeys(prefix: string, shard: number): ShardKeys {
  const keys = Object.entries(shardKeys(prefix, shard)).map(([name, key]: [string, string | readonly string[]]) => [
    name,
    typeof key === 'string' ? staged(key) : key.map(staged),
  ]);
  return Object.fromEntries(keys) as ShardKeys;
}

function staged(key: string): string {
  return key.replace('}:', '}:next:');
}

function beside(key: string, name: string): string {
  return `${key.slice(0, key.lastIndexOf(':') + 1)}${name}`;
}
