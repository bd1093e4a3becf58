/** What is done to the sockets below a client of ioredis, and what they are asked. */
import type { Cluster, Redis } from 'ioredis';
import type { RedisClient } from './client-options.js';

export function isCluster(client: RedisClient): client is Cluster {
  return client.isCluster;
}

export function usesTls(client: RedisClient): boolean {
  const { tls } = isCluster(client) ? (client.options.redisOptions ?? {}) : client.options;
  return tls !== undefined;
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

/**
 * Takes what a socket fails with after its first failure, which ends the process if nobody listens: the client hears one.
 * A TLS socket that was closed while it shook hands fails twice, first over the certificate and then over the alert.
 */
export function forgiveLaterFailures(connection: Redis): void {
  connection.on('error', () => connection.stream?.on('error', () => {}));
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
