/**
 * Whether the connections that write and that wait for replicas lead to one and the same server. A promotion leads them to
 * another one at different moments, and WAIT on the new primary says nothing of what only the old one had (M10).
 */
import type { RedisConnections, RedisRole } from './connections.js';

const ROLES: ReadonlySet<RedisRole> = new Set(['commit', 'wait']);

/**
 * Names the server that both roles lead to, as long as neither connection was lost; undefined while that is not known. Two
 * equal names, one from before and one from after, say that nothing has changed in between.
 */
export function oneServer(
  connections: Pick<RedisConnections, 'events' | 'identity' | 'isCluster'>,
): () => string | undefined {
  let losses = 0;
  /** Roles that have connected anew and not looked yet at who answers. */
  const strangers = new Set<RedisRole>();
  connections.events.on('lost', ({ role }) => {
    if (!ROLES.has(role)) return;
    losses += 1;
    strangers.add(role);
  });
  connections.events.on('ready', ({ role }) => strangers.delete(role));
  return () => {
    // In a Cluster each primary has a history of its own, and each is known by its address.
    if (connections.isCluster) return `cluster ${losses}`;
    if (strangers.size > 0) return undefined;
    const writes = connections.identity('commit')?.runId;
    return writes === connections.identity('wait')?.runId ? `${writes} ${losses}` : undefined;
  };
}
