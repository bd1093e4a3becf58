import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { gateway, tour, warehouseService } from '../../../examples/contracts/warehouse.js';
import { RedisServer } from '../../redis/harness.mjs';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.dispose());

it('the example of docs/contracts.md does what the page says', async () => {
  const [owner, caller] = [warehouseService(server.url), gateway(server.url)];
  try {
    await owner.start();
    await caller.start();
    const [tree = '', ...seen] = await tour(caller);
    expect(await readFile('docs/contracts.md', 'utf8')).toContain(`\`\`\`\n${tree}\n\`\`\``);
    expect(seen).toEqual([
      'reserved 4',
      'The payload of "ReserveStock" for warehouse "SKU-1" does not match the schema that "warehouse-service" published: quantity: must be a whole number.',
      'Entity type "warehouse" has no message "ReserveStok". Did you mean "ReserveStock"? Known: GetStock, ReserveStock.',
      'Entity type "werehouse" is not known here. Did you mean "warehouse"? Known: warehouse.',
    ]);
  } finally {
    await caller.stop();
    await owner.stop();
  }
});
