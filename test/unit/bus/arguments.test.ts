/** What the bus and the node refuse before it reaches the store. */
import { EntityType, QueueEntityId } from 'atomic-queues/core';
import { createTestApp, type TestApp } from 'atomic-queues/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createNode } from '../../../src/bus/node.js';
import type { QueueBus } from '../../../src/bus/queue-bus.js';
import type { AtomicQueuesConfig } from '../../../src/runtime/config.js';
import { silentLogger } from '../../../src/runtime/logger.js';

@EntityType('account')
class Deposit {
  @QueueEntityId() readonly accountId: string;

  constructor(accountId: string) {
    this.accountId = accountId;
  }
}

async function startedApp(config: AtomicQueuesConfig = {}): Promise<TestApp> {
  const app = await createTestApp({
    config,
    setup: (node) => node.handle(Deposit, () => 'done').handle('open', '*', (payload) => payload),
  });
  onTestFinished(() => void app.stop());
  return app;
}

/** A call as JavaScript can make it. */
type AnyCall = (...args: unknown[]) => Promise<unknown>;

function call(bus: QueueBus, method: keyof QueueBus, ...args: unknown[]): Promise<unknown> {
  return (bus[method] as AnyCall).apply(bus, args);
}

const notStrings: unknown[] = [undefined, null, 5, '', {}, ['a'], Symbol('s'), () => 'a', 'x'.repeat(513)];

describe('The arguments of the QueueBus', () => {
  it.each(['status', 'cancel', 'release'] as const)(
    'of %s are refused at the door, and the node goes on (I8)',
    async (method) => {
      const app = await startedApp();
      for (const id of notStrings)
        await expect(call(app.bus, method, id)).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
      await expect(call(app.bus, method)).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
      expect(await app.drive(app.bus.enqueueAndWait<string, Deposit>(new Deposit('a')))).toBe('done');
    },
  );

  it.each(['pause', 'resume', 'purge'] as const)(
    'of %s are refused at the door, and the node goes on (I8)',
    async (method) => {
      const app = await startedApp();
      await expect(call(app.bus, method)).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
      for (const value of notStrings) {
        await expect(call(app.bus, method, value)).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
        await expect(call(app.bus, method, 'account', value)).rejects.toMatchObject({ code: 'ENTITY_ID_MISSING' });
      }
      await expect(call(app.bus, method, 'ac\ncount', 'a')).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
      await app.drive(call(app.bus, method, 'account', 'a').then(() => app.bus.resume('account', 'a')));
      await app.drive(call(app.bus.forEntity('account') as unknown as QueueBus, method));
      await app.drive(app.bus.forEntity('account').resume());
      expect(await app.drive(app.bus.enqueueAndWait<string, Deposit>(new Deposit('a')))).toBe('done');
    },
  );

  it.each(['pause', 'resume', 'purge'] as const)(
    'of %s may not name a type that nothing here knows (I8)',
    async (method) => {
      const app = await startedApp({ entities: { configured: {} } });
      await expect(app.drive(call(app.bus, method, 'acount', 'a'))).rejects.toMatchObject({
        code: 'UNKNOWN_ENTITY_TYPE',
        message: expect.stringContaining('Did you mean "account"?') as string,
      });
      await app.drive(call(app.bus, method, 'configured'));
    },
  );

  it('of forEntity are refused: an id that is undefined would mean the whole type', async () => {
    const { bus } = await startedApp();
    const forEntity = bus.forEntity.bind(bus) as (...args: unknown[]) => unknown;
    expect(() => forEntity('account', undefined)).toThrow(expect.objectContaining({ code: 'ENTITY_ID_MISSING' }));
    expect(() => forEntity(undefined)).toThrow(expect.objectContaining({ code: 'INVALID_PAYLOAD' }));
    expect(forEntity('account')).toMatchObject({ entityType: 'account', entityId: undefined });
  });

  it('by name keep to the alphabet of names, also where a wildcard handler takes every name', async () => {
    const app = await startedApp();
    for (const name of [undefined, '', 'a b', 'nul\0', '__proto__', 'x'.repeat(5_000_000)]) {
      const error: unknown = await call(app.bus, 'enqueue', 'open', name, 'a', {}).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'INVALID_PAYLOAD' });
      expect((error as Error).message.length).toBeLessThan(300);
    }
    for (const type of ['', 'a b', 'nul\0', 'x'.repeat(5_000_000)])
      await expect(call(app.bus, 'enqueue', type, 'Name', 'a', {})).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    expect(await app.drive(app.bus.enqueueAndWait('open', 'Name', 'a', 7))).toBe(7);
  });

  it('that are options must be an object or left out', async () => {
    const { bus } = await startedApp();
    for (const options of [null, 5, 'messageId', [], () => ({})]) {
      for (const attempt of [
        call(bus, 'enqueue', new Deposit('a'), options),
        call(bus, 'enqueueAndWait', new Deposit('a'), options),
        call(bus, 'enqueue', 'account', 'Deposit', 'a', {}, options),
        call(bus, 'enqueueBulk', [new Deposit('a')], options),
        call(bus, 'enqueueBulk', [new Deposit('a'), new Deposit('a')], options),
      ])
        await expect(attempt).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    }
  });

  it('of enqueueBulk are an array, and a messageId only for a single message', async () => {
    const app = await startedApp();
    const { bus } = app;
    const scoped = bus.forEntity('account', 'a');
    for (const target of [bus, bus.forEntity('account') as unknown as QueueBus, scoped as unknown as QueueBus]) {
      const two = [new Deposit('a'), new Deposit('a')];
      await expect(call(target, 'enqueueBulk', two, { messageId: 'k' })).rejects.toMatchObject({
        code: 'INVALID_PAYLOAD',
        message: expect.stringContaining('one messageId for 2 messages') as string,
      });
      await expect(call(target, 'enqueueBulk', undefined)).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    }
    expect(await app.drive(scoped.enqueueBulk([new Deposit('a')], { messageId: 'k' }))).toHaveLength(1);
    expect(await app.drive(bus.enqueueBulk([]))).toEqual([]);
  });
});

describe('A node', () => {
  it('warns of options for an entity type that no handler or message class here is for', async () => {
    const warnings: string[] = [];
    const node = createNode({
      config: { wal: { enabled: false }, entities: { acount: {}, account: {} } },
      logger: { ...silentLogger, warn: (text) => warnings.push(text) },
    });
    node.handle(Deposit, () => 'done');
    await node.open();
    expect(warnings).toEqual([
      'entities.acount has options, but no handler or message class here is for that entity type. Did you mean "account"?',
    ]);
    await node.stop();
  });

  it('that has been stopped is not started again', async () => {
    const node = createNode({ config: { wal: { enabled: false } } });
    await node.start();
    await node.stop();
    await expect(node.start()).rejects.toMatchObject({
      code: 'SHUTTING_DOWN',
      retryable: false,
      message: 'This node has been stopped; make a new one.',
    });
  });

  it('keeps no listener of a whenIdle that is over', async () => {
    const app = await startedApp();
    const { events } = app.node;
    const [on, off] = [vi.spyOn(events, 'on'), vi.spyOn(events, 'off')];
    for (let round = 0; round < 3; round += 1) {
      void app.bus.enqueue(new Deposit('a'));
      await app.drive(app.node.whenIdle());
    }
    for (const name of ['idle', 'fatal']) {
      const listeners = (calls: readonly (readonly unknown[])[]) => calls.filter(([event]) => event === name);
      expect(listeners(on.mock.calls)).toHaveLength(3);
      expect(listeners(off.mock.calls)).toEqual(listeners(on.mock.calls));
    }
  });

  it('takes only names that may be wire names for its handlers', () => {
    const node = createNode({ config: { wal: { enabled: false } } });
    expect(() => node.handle('account', 'a b', () => {})).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(() => node.handle('a b', 'Name', () => {})).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
