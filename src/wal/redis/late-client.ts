/**
 * A client that is there once its connections are made: the parts of a node are put together before anything connects, and
 * ioredis itself is loaded only then.
 */

import type { RedisClient } from './client-options.js';
import type { RedisConnections, RedisRole } from './connections.js';

const PRESENT = Symbol('present client');

/** Hands every use on to the client that the role has at that moment. */
export function lateClient(connections: Pick<RedisConnections, 'client'>, role: RedisRole): RedisClient {
  return new Proxy({} as RedisClient, {
    get: (_, property) => {
      const client = connections.client(role);
      if (property === PRESENT) return client;
      const value: unknown = Reflect.get(client, property, client);
      return typeof value === 'function' ? (value.bind(client) as unknown) : value;
    },
  });
}

/**
 * The client itself that is behind a late one at this moment: for whoever must stay with it, or go on when there is none any
 * more. @throws StoreUnavailableError when there is none.
 */
export function presentClient(client: RedisClient): RedisClient {
  return (client as { readonly [PRESENT]?: RedisClient })[PRESENT] ?? client;
}
