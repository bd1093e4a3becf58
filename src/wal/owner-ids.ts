/**
 * How the ids begin that an owner gives to messages: no two openings of any shard share it, since two shards may have an
 * owner of the same epoch.
 */
export function ownerIdPrefix(clusterId: string, shard: number, epoch: number): string {
  const place = shard === 0 ? '' : `.${shard.toString(36)}`;
  return `${clusterId.slice(0, 8)}-${epoch.toString(36)}${place}-`;
}
