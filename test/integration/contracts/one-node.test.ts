/** Contracts of a node that is alone: schemas are checked where messages are sent, where they arrive, and on their replies. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EntityType, MessageSchema, QueueEntityId } from 'atomic-queues/core';
import { createTestApp, type TestApp } from 'atomic-queues/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type AtomicQueuesNode, createNode } from '../../../src/bus/node.js';
import { contractFile, readStoreContracts } from '../../../src/contracts/file-registry.js';
import { CountAll, GetStock, ReserveStock } from './messages.js';

const apps: TestApp[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.stop()));
});

async function app(setup: (node: AtomicQueuesNode) => void, config: object = {}): Promise<TestApp> {
  const made = await createTestApp({ setup, config });
  apps.push(made);
  return made;
}

const takeAll = (node: AtomicQueuesNode): void => {
  node.handle(ReserveStock, ({ quantity }) => ({ reserved: quantity }));
  node.handle(GetStock, () => ({ available: 3 }));
  node.handle(CountAll, () => undefined);
};

describe('sending', () => {
  it('refuses a payload that is not what its schema says, and lists the fields, whichever way it is sent', async () => {
    const made = await app(takeAll);
    const { bus } = made;
    const wrong = { sku: 'a', quantity: 0.5 };
    const scoped = bus.forEntity('warehouse');
    for (const call of [
      () => bus.enqueue(new ReserveStock('a', 0.5)),
      () => bus.enqueueAndWait(new ReserveStock('a', 0.5)),
      () => bus.enqueueBulk([new ReserveStock('a', 1), new ReserveStock('a', 0.5)]),
      () => bus.enqueue('warehouse', 'ReserveStock', 'a', wrong),
      () => bus.enqueueAndWait('warehouse', 'ReserveStock', 'a', wrong),
      () => scoped.enqueue(new ReserveStock('a', 0.5)),
      () => scoped.enqueue('ReserveStock', 'a', wrong),
      () => scoped.enqueueAndWait('ReserveStock', 'a', wrong),
      () => scoped.enqueueBulk([new ReserveStock('a', 0.5)]),
      () => bus.forEntity('warehouse', 'a').enqueue('ReserveStock', wrong),
    ]) {
      const error = await call().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject({
        code: 'INVALID_PAYLOAD',
        retryable: false,
        message: expect.stringContaining('does not match its schema: quantity:'),
        details: { fields: [{ field: 'quantity' }] },
      });
    }
    expect((await made.inspect()).pending).toEqual([]);
    expect((await made.inspect()).deadLetters).toEqual([]);
  });

  it('lets through what fits, and hands it on as it was sent, whatever the schema would make of it', async () => {
    @EntityType('note')
    @MessageSchema(z.object({ id: z.string(), text: z.string().trim().toUpperCase(), size: z.number().default(1) }))
    class Write {
      @QueueEntityId() readonly id = 'n';
      readonly text = ' a ';
    }
    const seen: unknown[] = [];
    const made = await app((node) =>
      node.handle(Write, (message) => void seen.push(JSON.parse(JSON.stringify(message)))),
    );
    await made.send(new Write());
    expect(seen).toEqual([{ id: 'n', text: ' a ' }]);
  });

  it('checks nothing with schemaValidation false', async () => {
    const made = await app(takeAll, { registry: { schemaValidation: false } });
    expect(await made.sendAndWait(new ReserveStock('a', 0.5))).toEqual({ reserved: 0.5 });
  });

  it('refuses an asynchronous schema at the start', async () => {
    @EntityType('note')
    @MessageSchema(z.unknown().refine(async () => true))
    class Write {
      @QueueEntityId() readonly id = 'n';
    }
    await expect(app((node) => node.handle(Write, () => {}))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('is asynchronous'),
    });
  });

  it('refuses what is no schema where it is declared, and a second one', () => {
    expect(() => MessageSchema({ type: 'object' } as never)(class Odd {})).toThrow(/expected a schema of zod 4/);
    expect(() => {
      class Twice {}
      MessageSchema(z.any())(Twice);
      MessageSchema(z.any())(Twice);
    }).toThrow(/Keep one/);
    expect(() => MessageSchema(z.any(), { jsonSchema: { type: 'x' } as never })(class Odd {})).toThrow(
      /jsonSchema has a type/,
    );
  });
});

describe('arriving', () => {
  it('fails the message before its handler, without another attempt', async () => {
    let calls = 0;
    const made = await app(
      (node) => {
        node.handle(ReserveStock, () => {
          calls += 1;
          return { reserved: 1 };
        });
      },
      { retry: { maxAttempts: 5 } },
    );
    // As a process with other schemas, or with none, would send it.
    made.node.contracts.checkSending = () => {};
    const { id } = await made.send(new ReserveStock('a', -1));
    expect(calls).toBe(0);
    const { deadLetters } = await made.inspect();
    expect(deadLetters).toMatchObject([{ id, reason: 'failed', attempts: 1 }]);
    expect(deadLetters[0]?.error).toMatchObject({ data: { code: 'INVALID_PAYLOAD', retryable: false } });
    expect(deadLetters[0]?.error?.message).toContain('quantity');
  });

  it('tells who waits that the payload was at fault', async () => {
    const made = await app(takeAll);
    made.node.contracts.checkSending = () => {};
    await expect(made.sendAndWait(new ReserveStock('a', -1))).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
      message: expect.stringContaining('Its handler was not called.'),
      details: { fields: [{ field: 'quantity' }] },
    });
    await expect(made.sendAndWait(new GetStock(5 as never))).rejects.toMatchObject({ code: 'ENTITY_ID_MISSING' });
    await expect(made.bus.enqueueAndWait('warehouse', 'GetStock', 'a', {})).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
    });
  });

  it('holds for handlers that are known by name only', async () => {
    const schema = z.object({ amount: z.number() });
    const made = await app((node) => node.handle('till', 'add', () => 'done', { schema, replySchema: z.string() }));
    await expect(made.bus.enqueue('till', 'add', 't', { amount: 'x' })).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
    });
    expect(await made.drive(made.bus.enqueueAndWait('till', 'add', 't', { amount: 1 }))).toBe('done');
    expect((await made.bus.introspect()).schemaFor('till', 'add')).toMatchObject({ required: ['amount'] });
  });
});

describe('replies', () => {
  it('counts a message with a wrong reply as completed, and tells only who waits', async () => {
    let calls = 0;
    const made = await app(
      (node) => {
        node.handle(ReserveStock, () => {
          calls += 1;
          return { reserved: 'many' as never };
        });
        node.handle(GetStock, () => undefined);
      },
      { retry: { maxAttempts: 3 } },
    );
    await expect(made.sendAndWait(new ReserveStock('a', 1))).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
      message: expect.stringMatching(
        /has completed, but its reply does not match its reply schema: reserved: .*Do not send it again/,
      ),
      details: { completed: true },
    });
    const { id } = await made.send(new ReserveStock('a', 1));
    expect(calls).toBe(2);
    expect((await made.status(id)).state).not.toBe('failed');
    expect((await made.inspect()).deadLetters).toEqual([]);
    await expect(made.sendAndWait(new GetStock('a'))).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
  });
});

describe('introspect', () => {
  it('answers what there is and draws it as a tree', async () => {
    const made = await app(
      (node) => {
        takeAll(node);
        node.handle('till', '*', () => {});
      },
      { registry: { serviceName: 'warehouse-service' } },
    );
    made.node.contracts.addPart('paused', () => ({ data: [{ entityType: 'till' }], lines: ['till'] }));
    made.node.contracts.addPart('broken', () => Promise.reject(new Error('no answer')));
    const contracts = await made.bus.introspect();
    expect(contracts.hasEntity('warehouse')).toBe(true);
    expect(contracts.hasEntity('toString')).toBe(false);
    expect(contracts.entityTypes).toEqual(['till', 'warehouse']);
    expect(contracts.messagesFor('warehouse')).toEqual(['CountAll', 'GetStock', 'ReserveStock']);
    expect(contracts.messagesFor('nobody')).toEqual([]);
    expect(contracts.accepts('warehouse', 'GetStock')).toBe(true);
    expect(contracts.accepts('warehouse', 'constructor')).toBe(false);
    expect(contracts.accepts('till', 'Whatever')).toBe(true);
    expect(contracts.kindOf('warehouse', 'GetStock')).toBe('query');
    expect(contracts.schemaFor('warehouse', 'ReserveStock')).toMatchObject({
      type: 'object',
      required: ['sku', 'quantity'],
      properties: { sku: { type: 'string' } },
    });
    expect(contracts.replySchemaFor('warehouse', 'GetStock')).toMatchObject({
      properties: { available: { type: 'number' } },
    });
    expect(contracts.schemaFor('warehouse', 'CountAll')).toBeUndefined();
    expect(contracts.snapshot().entities['warehouse']?.messages['GetStock']?.entityIdField).toBe('sku');
    expect(contracts.part('paused')).toEqual([{ entityType: 'till' }]);
    expect(contracts.services).toEqual([
      { serviceName: 'warehouse-service', group: 'default', processes: 1, entityTypes: ['till', 'warehouse'] },
    ]);
    expect(contracts.toString()).toBe(`till  (warehouse-service; group default)
└─ any other name
warehouse  (warehouse-service; group default)
├─ command CountAll anything  [entity id: sku]
├─ query GetStock { sku: string } → { available: number }  [entity id: sku]
└─ command ReserveStock { sku: string, quantity: integer, note?: string } → { reserved: integer }  [entity id: sku]

services
  warehouse-service  (1 process; group default): owns till, warehouse

paused
  till

broken
  cannot be read: no answer`);
  });

  it('publishes what other libraries say of their schemas, what the user says, or anything', async () => {
    const standard = (jsonSchema?: unknown) => ({
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) => ({ value }),
        ...(jsonSchema !== undefined && { jsonSchema: { input: () => jsonSchema, output: () => jsonSchema } }),
      },
    });
    @EntityType('x')
    @MessageSchema(standard({ type: 'object', title: 'told' }))
    class Told {
      @QueueEntityId() readonly id = 'x';
    }
    @EntityType('x')
    @MessageSchema(standard(), { jsonSchema: { type: 'object', title: 'given' } })
    class Given {
      @QueueEntityId() readonly id = 'x';
    }
    @EntityType('x')
    @MessageSchema(standard({ $ref: '#' }))
    class Cyclic {
      @QueueEntityId() readonly id = 'x';
    }
    @EntityType('x')
    @MessageSchema(standard())
    class Silent {
      @QueueEntityId() readonly id = 'x';
    }
    interface Tree {
      readonly children: Tree[];
    }
    const tree: z.ZodType<Tree> = z.object({
      get children() {
        return z.array(tree);
      },
    });
    @EntityType('x')
    @MessageSchema(tree)
    class Recursive {
      @QueueEntityId() readonly id = 'x';
    }
    const made = await app((node) => {
      for (const cls of [Told, Given, Cyclic, Silent, Recursive]) node.handle(cls, () => {});
    });
    const contracts = await made.bus.introspect();
    expect(contracts.schemaFor('x', 'Told')).toEqual({ type: 'object', title: 'told' });
    expect(contracts.schemaFor('x', 'Given')).toEqual({ type: 'object', title: 'given' });
    expect(contracts.schemaFor('x', 'Silent')).toBeUndefined();
    expect(contracts.schemaFor('x', 'Cyclic')).toBeUndefined();
    expect(contracts.warnings).toMatchObject([{ entityType: 'x', message: 'Cyclic' }]);
    expect(JSON.stringify(contracts.schemaFor('x', 'Recursive'))).toContain('"$ref"');
  });
});

describe('the embedded store', () => {
  it('keeps what its application takes beside it, also while the application is stopped', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'aq-contracts-'));
    try {
      const path = join(folder, 'store.db');
      const node = createNode({ config: { store: { path }, registry: { serviceName: 'shop' } } });
      takeAll(node);
      expect(readStoreContracts(path)).toBeUndefined();
      await node.start();
      await node.stop();
      const merged = readStoreContracts(path);
      expect(merged?.warnings).toEqual([]);
      expect(merged?.snapshot.entities['warehouse']).toMatchObject({ services: ['shop'] });
      expect(Object.keys(merged?.snapshot.entities['warehouse']?.messages ?? {})).toContain('GetStock');
      expect((await readdir(folder)).filter((name) => name.includes('contracts'))).toEqual(['store.db-contracts.json']);
      expect(JSON.parse(await readFile(contractFile(path), 'utf8'))).toMatchObject({ format: 1, serviceName: 'shop' });

      const unwritable = createNode({ config: { store: { path: join(folder, 'other.db') } } });
      await mkdir(contractFile(join(folder, 'other.db')));
      await unwritable.start();
      await unwritable.stop();

      await writeFile(contractFile(path), '{"format":2,"serviceName":"shop"}');
      expect(readStoreContracts(path)).toMatchObject({ snapshot: { entities: {} }, warnings: [{ service: 'shop' }] });
      const next = createNode({ config: { store: { path }, registry: { enabled: false } } });
      takeAll(next);
      await next.start();
      await next.stop();
      expect(readStoreContracts(path)?.snapshot.entities).toEqual({});
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
