/** What the live services of a store on Redis have published. */
import { RedisRegistry } from '../cluster/transport/redis/redis-registry.js';
import { Introspection } from '../contracts/introspection.js';
import { mergeRecords } from '../contracts/merge-records.js';
import { servicesOf } from '../contracts/node-contracts.js';
import { storeIdentity, withRedisClient } from './redis-store.js';
import type { RedisAddress } from './store-address.js';

/** @throws UsageError when there is no store at the address. */
export async function readRedisContracts(address: RedisAddress): Promise<Introspection> {
  return withRedisClient(address, async (client) => {
    await storeIdentity(client, address);
    const { records, warnings } = await new RedisRegistry({ client, keyPrefix: address.prefix }).read();
    const merged = mergeRecords(records);
    return new Introspection({
      ...merged,
      warnings: [...warnings, ...merged.warnings],
      services: servicesOf(records),
    });
  });
}
