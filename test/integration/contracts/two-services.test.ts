/** Services that share a real Redis: each knows what the others take, and hostile entries of the registry harm none. */
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import { RedisRegistry } from '../../../src/cluster/transport/redis/redis-registry.js';
import { mergeRecords } from '../../../src/contracts/merge-records.js';
import type { AtomicQueuesConfig } from '../../../src/runtime/config.js';
import type { Logger } from '../../../src/runtime/logger.js';
import { clusterKeys } from '../../../src/wal/redis/keys.js';
import { RedisServer } from '../../redis/harness.mjs';
import { GetStock, ReserveStock } from './messages.js';

let server: RedisServer;
let client: Redis;
const nodes: AtomicQueuesNode[] = [];
let prefixes = 0;
let keyPrefix = '';

beforeAll(async () => {
  server = await RedisServer.start();
  client = new Redis({ host: '127.0.0.1', port: server.port });
});
afterAll(async () => {
  client.disconnect();
  await server.dispose();
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
});

function fresh(): void {
  prefixes += 1;
  keyPrefix = `c${prefixes}`;
}

interface Service {
  readonly node: AtomicQueuesNode;
  readonly warnings: string[];
}

function service(
  serviceName: string,
  setup: (node: AtomicQueuesNode) => void = () => {},
  { registry, ...config }: AtomicQueuesConfig = {},
): Service {
  const warnings: string[] = [];
  const ignore = (): void => {};
  const logger: Logger = { debug: ignore, info: ignore, error: ignore, warn: (text) => void warnings.push(text) };
  const node = createNode({
    config: {
      redis: { host: '127.0.0.1', port: server.port },
      keyPrefix,
      registry: { serviceName, heartbeatInterval: 50, registrationTTL: 5, ...registry },
      ...config,
    },
    logger,
  });
  setup(node);
  nodes.push(node);
  return { node, warnings };
}

const warehouse = (node: AtomicQueuesNode): void => {
  node.handle(ReserveStock, ({ quantity }) => ({ reserved: quantity }));
  node.handle(GetStock, () => ({ available: 7 }));
};

/** As a tool reads it. */
async function publishedTypes(): Promise<string[]> {
  const { records } = await new RedisRegistry({ client, keyPrefix }).read();
  return Object.keys(mergeRecords(records).snapshot.entities);
}

/** Writes what a stranger might. */
async function plant(incarnation: string, text: string): Promise<void> {
  const { services, serviceBeats, contracts } = clusterKeys(keyPrefix);
  const digest = incarnation.padEnd(40, '0');
  await client.hset(services, incarnation, `${digest}\n1`);
  await client.hset(serviceBeats, incarnation, String(Date.now() + 60_000));
  await client.hset(contracts, digest, text);
  await client.hset(services, '', `planted-${incarnation}`);
}

describe('a service that only sends', () => {
  it('takes no work, sees the registry, and is told at the call what is wrong with it', async () => {
    fresh();
    const owner = service('warehouse-service', warehouse, { cluster: { serviceGroup: 'warehouse' } });
    const sender = service('gateway', undefined, { cluster: { serviceGroup: 'gateway' } });
    await owner.node.start();
    await sender.node.start();
    const bus = sender.node.queueBus;
    const contracts = await bus.introspect();
    expect(contracts.hasEntity('warehouse')).toBe(true);
    expect(contracts.messagesFor('warehouse')).toEqual(['GetStock', 'ReserveStock']);
    expect(contracts.services.map(({ serviceName, entityTypes }) => [serviceName, entityTypes])).toEqual([
      ['gateway', []],
      ['warehouse-service', ['warehouse']],
    ]);
    expect(contracts.toString()).toContain('gateway  (1 process; group gateway): only sends');

    const payload = { sku: 'a', quantity: 2 };
    expect(await bus.enqueueAndWait('warehouse', 'ReserveStock', 'a', payload)).toEqual({ reserved: 2 });
    await expect(bus.enqueue('warehuose', 'ReserveStock', 'a', payload)).rejects.toMatchObject({
      code: 'UNKNOWN_ENTITY_TYPE',
      message: expect.stringContaining('Did you mean "warehouse"?'),
    });
    await expect(bus.enqueue('warehouse', 'ReservStock', 'a', payload)).rejects.toMatchObject({
      code: 'UNKNOWN_MESSAGE',
      message: expect.stringMatching(/Did you mean "ReserveStock"\? Known: .*GetStock/),
    });
    for (const send of [
      () => bus.enqueue('warehouse', 'ReserveStock', 'a', { sku: '', quantity: 2 }),
      () => bus.enqueueAndWait('warehouse', 'ReserveStock', 'a', { sku: '', quantity: 2 }),
      () => bus.forEntity('warehouse').enqueue('ReserveStock', 'a', { sku: '', quantity: 2 }),
    ])
      await expect(send()).rejects.toMatchObject({
        code: 'INVALID_PAYLOAD',
        message: expect.stringContaining(
          'the schema that "warehouse-service" published: sku: must have at least 1 characters',
        ),
        details: { fields: [{ field: 'sku' }] },
      });
    // Where the words about a wrong reply are lost, its absence tells.
    const asked = { entityType: 'warehouse', name: 'GetStock' };
    expect(sender.node.contracts.missingReply(asked, undefined)).toMatchObject({ code: 'INVALID_PAYLOAD' });
    expect(sender.node.contracts.missingReply(asked, { available: 1 })).toBeUndefined();
    expect(sender.node.engine.share.depth).toBe(0);
    expect(await client.hget(clusterKeys(keyPrefix).groups, 'g:gateway')).toBeNull();
  });

  it('is told by the owner when only the owner can tell, and hears of a wrong reply', async () => {
    fresh();
    const owner = service('warehouse-service', (node) => {
      node.handle(ReserveStock, () => ({ reserved: 'all' as never }));
      node.handle(GetStock, () => ({ available: 'some' as never }));
    });
    const sender = service('gateway', undefined, {
      registry: { schemaValidation: false },
      cluster: { serviceGroup: 'g2' },
    });
    await owner.node.start();
    await sender.node.start();
    const bus = sender.node.queueBus;
    await expect(
      bus.enqueueAndWait('warehouse', 'ReserveStock', 'a', { sku: 'a', quantity: -1 }),
    ).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
      message: expect.stringContaining('Its handler was not called'),
    });
    await expect(bus.enqueueAndWait('warehouse', 'ReserveStock', 'a', { sku: 'a', quantity: 1 })).rejects.toMatchObject(
      {
        code: 'INVALID_PAYLOAD',
        message: expect.stringContaining('has completed, but its reply does not match'),
        retryable: false,
      },
    );
    await expect(bus.enqueueAndWait('warehouse', 'GetStock', 'a', { sku: 'a' })).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
    });
  });
});

describe('two owners of one type', () => {
  const takes =
    (schema: z.ZodType) =>
    (node: AtomicQueuesNode): void =>
      void node.handle('account', 'deposit', () => {}, { schema });

  it('with different schemas: the second does not start, and is told type, message, services and difference', async () => {
    fresh();
    const first = service('bank', takes(z.object({ amount: z.number() })));
    await first.node.start();
    const second = service('rival', takes(z.object({ amount: z.string() })));
    await expect(second.node.start()).rejects.toMatchObject({
      code: 'SCHEMA_CONFLICT',
      message: expect.stringMatching(
        /"deposit" of entity type "account".*"bank" and "rival".*amount.*"number" and "string"/s,
      ),
      details: { conflicts: [{ entityType: 'account', message: 'deposit', services: ['bank', 'rival'] }] },
    });
    expect((await first.node.queueBus.introspect()).services.map(({ serviceName }) => serviceName)).toEqual(['bank']);
    expect(await client.hlen(clusterKeys(keyPrefix).nodes)).toBe(2);
    // One that has gone contradicts nobody.
    await first.node.stop();
    const third = service('rival', takes(z.object({ amount: z.string() })));
    await third.node.start();
  });

  it('starting at the same moment: exactly one of them starts', async () => {
    fresh();
    const both = ['number', 'string'].map((type) =>
      service(type, takes(z.object({ amount: type === 'number' ? z.number() : z.string() }))),
    );
    const ends = await Promise.allSettled(both.map(({ node }) => node.start()));
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('of different groups: the binding of the type says no, as it does without a registry (M5)', async () => {
    fresh();
    const first = service('bank', takes(z.object({ amount: z.number() })), { cluster: { serviceGroup: 'one' } });
    await first.node.start();
    const second = service('rival', takes(z.object({ amount: z.number() })), { cluster: { serviceGroup: 'two' } });
    await expect(second.node.start()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect((await first.node.queueBus.introspect()).services).toHaveLength(1);
  });

  it('of the same service may differ while a new version is rolled out, with a warning', async () => {
    fresh();
    const old = service('bank', takes(z.object({ amount: z.number() })));
    await old.node.start();
    const fresher = service('bank', takes(z.object({ amount: z.number(), note: z.string() })));
    await fresher.node.start();
    expect(fresher.warnings.join()).toMatch(
      /service bank, account\/deposit: a newer and an older process say different/,
    );
    const contracts = await old.node.queueBus.introspect();
    expect(contracts.conflicts).toEqual([]);
    expect(contracts.schemaFor('account', 'deposit')).toMatchObject({ required: ['amount', 'note'] });
  });
});

describe('the registry', () => {
  it('forgets a process that is silent, removes what it said, and takes one back that was only slow', async () => {
    fresh();
    const { services, serviceBeats, contracts } = clusterKeys(keyPrefix);
    const owner = service('warehouse-service', warehouse);
    await owner.node.start();
    expect(await client.hlen(contracts)).toBe(2);
    const [incarnation = ''] = (await client.hkeys(services)).filter((field) => field !== '');
    // As if it had been silent for long: the next sign of life finds nothing and publishes again.
    await client.hset(serviceBeats, incarnation, '1');
    expect(await publishedTypes()).toEqual([]);
    await expect.poll(publishedTypes).toEqual(['warehouse']);
    await owner.node.stop();
    expect(await client.hkeys(services)).toEqual(['']);
    expect(await client.hkeys(contracts)).toEqual(['']);
  });

  it('keeps one text for all processes that say the same', async () => {
    fresh();
    const pods = [service('w', warehouse), service('w', warehouse), service('w', warehouse)];
    await Promise.all(pods.map(({ node }) => node.start()));
    const { services, contracts } = clusterKeys(keyPrefix);
    expect(await client.hlen(services)).toBe(4);
    expect(await client.hlen(contracts)).toBe(2);
    expect((await pods[0]?.node.queueBus.introspect())?.services).toMatchObject([{ serviceName: 'w', processes: 3 }]);
  });

  it('is not there with enabled false', async () => {
    fresh();
    const owner = service('w', warehouse, { registry: { enabled: false } });
    await owner.node.start();
    expect(await client.exists(clusterKeys(keyPrefix).services)).toBe(0);
    expect((await owner.node.queueBus.introspect()).hasEntity('warehouse')).toBe(true);
  });

  it.each([
    ['what is not JSON', 'oops', 'is not JSON'],
    ['another format', '{"format":99,"serviceName":"evil"}', 'is of format 99'],
    ['no record', '{"format":1,"serviceName":"evil","group":"g","entities":7}', 'has no entities'],
    [
      'what is not JSON Schema',
      '{"format":1,"serviceName":"evil","group":"g","entities":{"spy":{"messages":{"go":{"kind":"command","schema":{"type":"nonsense"}}}}}}',
      'its schema has a type at #',
    ],
    [
      'a name that moves the cursor',
      '{"format":1,"serviceName":"evil","group":"g","entities":{"spy":{"messages":{"go":{"kind":"command","schema":{"properties":{"\\u001b[2J":5}}}}}}}',
      'its schema has a number at #/properties/?[2J',
    ],
    [
      'a $ref cycle',
      '{"format":1,"serviceName":"evil","group":"g","entities":{"spy":{"messages":{"go":{"kind":"command","schema":{"$ref":"#"}}}}}}',
      'its schema has a $ref cycle',
    ],
  ])('lists an entry with %s as a warning, and every node goes on', async (_, text, reason) => {
    fresh();
    const before = service('one', warehouse);
    await before.node.start();
    await plant('e0', text);
    const after = service('two', undefined, { cluster: { serviceGroup: 'g2' } });
    await after.node.start();
    for (const { node } of [before, after]) {
      const contracts = await node.queueBus.introspect();
      expect(contracts.warnings.map((warning) => warning.reason).join()).toContain(reason);
      expect(contracts.toString()).toContain(reason);
      expect(await node.queueBus.enqueueAndWait('warehouse', 'GetStock', 'a', { sku: 'a' })).toEqual({ available: 7 });
    }
    expect(after.warnings.join()).toContain(reason);
  });

  it('harms no node, whatever strangers write there', async () => {
    fresh();
    const owner = service('one', warehouse);
    await owner.node.start();
    const { services, serviceBeats, contracts } = clusterKeys(keyPrefix);
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('', '__proto__', '\n', '1\n1', `${'a'.repeat(40)}\n5`, '9e99', 'nan'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(word, word, word, fc.json()), { maxLength: 5 }), async (planted) => {
        for (const [field, head, beat, text] of planted) {
          await client.hset(services, field, head);
          await client.hset(serviceBeats, field, beat === '' ? String(Date.now() + 10_000) : beat);
          await client.hset(contracts, 'a'.repeat(40), text);
        }
        const introspected = await owner.node.queueBus.introspect();
        expect(introspected.messagesFor('warehouse')).toContain('GetStock');
        expect(introspected.toString()).not.toContain('\u001b');
        await publishedTypes();
      }),
      { numRuns: 40 },
    );
    const later = service('one', warehouse);
    await later.node.start();
    expect(await later.node.queueBus.enqueueAndWait(new GetStock('a'))).toEqual({ available: 7 });
  });

  it('stops no call when it is gone or overflows', async () => {
    fresh();
    const owner = service('one', warehouse);
    await owner.node.start();
    const { services, serviceBeats } = clusterKeys(keyPrefix);
    await client.del(services);
    await client.set(serviceBeats, 'not a hash');
    expect(await owner.node.queueBus.enqueueAndWait(new GetStock('a'))).toEqual({ available: 7 });
    await client.del(serviceBeats);
    await expect.poll(() => client.hlen(services)).toBe(2);
    const many = client.pipeline();
    for (let at = 0; at < 10_050; at += 1) many.hset(services, `x${at}`, 'x');
    await many.exec();
    expect((await owner.node.queueBus.introspect()).warnings.map(({ reason }) => reason)).toContain(
      'it has more than 10000 entries and is not read',
    );
  });
});
