/** What is done to the sockets below a client of ioredis, and what they are asked. */
import type { Cluster, Redis } from 'ioredis';
import type { RedisClient } from './client-options.js';

export function isCluster(client: RedisClient): client is Cluster {
  return client.isCluster;
}

/** Where a node of a Cluster is, as the Cluster tells it. */
export function addressIn(node: Redis): string {
  return `${node.options.host}:${node.options.port}`;
}

/** Breaks a connection off at once, without waiting for the other side, which may never answer. */
export function destroy(connection: Redis, reason: string): void {
  const open = connection.status === 'connect' || connection.status === 'ready' || connection.status === 'connecting';
  if (open) connection.stream?.destroy(new Error(reason));
}

/** Resolves when a connection is ready, or has failed. */
export function decided(connection: Redis): Promise<void> {
  if (connection.status === 'ready' || connection.status === 'end') return Promise.resolve();
  return new Promise((resolve) => {
    const settle = (): void => {
      connection.off('ready', settle);
      connection.off('close', settle);
      resolve();
    };
    connection.on('ready', settle);
    connection.on('close', settle);
  });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
