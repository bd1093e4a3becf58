import { describe, expect, it } from 'vitest';
import { EntityType } from '../../../src/message/entity-type.js';
import { JobQuery } from '../../../src/message/job-decorators.js';
import { QueueEntityId } from '../../../src/message/queue-entity-id.js';
import { createTestApp, type TestApp } from '../../../src/testing/test-app.js';
import { refusal } from './lab.js';

@EntityType('account')
class Deposit {
  constructor(
    readonly amount: number,
    account: string,
  ) {
    this.account = account;
  }
  @QueueEntityId() readonly account: string;
}

@EntityType('order')
class Ship {
  constructor(readonly orderId: string) {}
}

@EntityType('account')
@JobQuery()
class Balance {
  @QueueEntityId() readonly account: string;
  constructor(account: string) {
    this.account = account;
  }
}

async function bank(): Promise<TestApp> {
  const balances = new Map<string, number>();
  return createTestApp({
    config: { entities: { order: { defaultEntityId: 'orderId' } } },
    setup: (node) => {
      node.handle(Deposit, (message, { entityId }) => {
        if (!(message instanceof Deposit)) throw new Error('not an instance');
        balances.set(entityId, (balances.get(entityId) ?? 0) + message.amount);
      });
      node.handle(Balance, ({ account }) => balances.get(account) ?? 0);
      node.handle(Ship, ({ orderId }) => `shipped ${orderId}`);
    },
  });
}

describe('the ways in', () => {
  it('take instances, raw calls and scopes, and rebuild instances of known classes', async () => {
    const app = await bank();
    const { bus } = app;
    await app.send(new Deposit(5, 'a'));
    await app.drive(bus.enqueue('account', 'Deposit', 'a', { amount: 10 }));
    await app.drive(bus.forEntity('account').enqueue(new Deposit(20, 'a')));
    await app.drive(bus.forEntity('account').enqueue('Deposit', 'a', { amount: 40 }));
    await app.drive(bus.forEntity('account', 'a').enqueue('Deposit', { amount: 80 }));
    await app.drive(bus.forEntity('account', 'a').enqueueBulk([new Deposit(100, 'a'), new Deposit(200, 'a')]));
    expect(await app.sendAndWait(new Balance('a'))).toBe(455);
    expect(await app.drive(bus.forEntity('account', 'a').enqueueAndWait('Balance', { account: 'a' }))).toBe(455);
    expect(await app.drive(bus.forEntity('account').enqueueAndWait('Balance', 'a', { account: 'a' }))).toBe(455);
    expect(await app.sendAndWait(new Ship('o-1'))).toBe('shipped o-1');
    await app.stop();
  });

  it('of a scope refuse messages for another type or entity, alone and in bulk', async () => {
    const app = await bank();
    const scope = app.bus.forEntity('account', 'a');
    const codes = await Promise.all([
      refusal(scope.enqueue(new Deposit(1, 'b'))),
      refusal(scope.enqueue(new Ship('a'))),
      refusal(scope.enqueueAndWait(new Deposit(1, 'b'))),
      refusal(scope.enqueueBulk([new Deposit(1, 'a'), new Deposit(1, 'b')])),
      refusal(app.bus.forEntity('order').enqueue(new Deposit(1, 'a'))),
    ]);
    expect(codes.map(({ code }) => code)).toEqual(codes.map(() => 'INVALID_PAYLOAD'));
    expect(codes[0]?.message).toContain('scoped to account "a"');
    await app.settle();
    expect((await app.inspect()).events.filter(({ type }) => type === 'accepted')).toEqual([]);
    await app.stop();
  });
});

describe('what nobody can run is refused at the door, with the nearest name', () => {
  it('for types, names and classes without a handler', async () => {
    const app = await bank();
    const { bus } = app;
    @EntityType('account')
    class Unhandled {
      @QueueEntityId() readonly id = 'a';
    }
    class Undecorated {
      readonly id = 'a';
    }
    expect(await refusal(bus.enqueue('acount', 'Deposit', 'a', {}))).toMatchObject({
      code: 'UNKNOWN_ENTITY_TYPE',
      message: expect.stringContaining('"account"'),
    });
    expect(await refusal(bus.enqueue('account', 'Deposti', 'a', {}))).toMatchObject({
      code: 'UNKNOWN_MESSAGE',
      message: expect.stringContaining('"Deposit"'),
    });
    expect((await refusal(bus.enqueue(new Unhandled()))).code).toBe('NO_HANDLER');
    expect((await refusal(bus.enqueue(new Undecorated()))).code).toBe('UNKNOWN_ENTITY_TYPE');
    expect((await refusal(bus.enqueue({ plain: 1 }))).code).toBe('UNKNOWN_ENTITY_TYPE');
    await app.stop();
  });

  it('and so is bad input, before anything is kept', async () => {
    const app = await bank();
    const { bus } = app;
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const bad = [
      [bus.enqueue(null as never), 'INVALID_PAYLOAD'],
      [bus.enqueue(undefined as never), 'INVALID_PAYLOAD'],
      [bus.enqueue('account', 'Deposit', 'a', circle), 'INVALID_PAYLOAD'],
      [bus.enqueue('account', 'Deposit', 'a', { amount: 1n }), 'INVALID_PAYLOAD'],
      [bus.enqueue('account', 'Deposit', 'a', JSON.parse('{"__proto__":{"x":1}}')), 'INVALID_PAYLOAD'],
      [bus.enqueue('account', 'Deposit', 'a', 5), 'INVALID_PAYLOAD'],
      [bus.enqueue('account', 'Deposit', 'a', undefined), 'INVALID_PAYLOAD'],
      [bus.enqueue('account', 'Deposit', 'a', { text: 'x'.repeat(2_000_000) }), 'PAYLOAD_TOO_LARGE'],
      [bus.enqueue('account', 'Deposit', '', { amount: 1 }), 'ENTITY_ID_MISSING'],
      [bus.enqueue('account', 'Deposit', 7 as never, { amount: 1 }), 'ENTITY_ID_MISSING'],
      [bus.enqueue('account', 'Deposit', 'x'.repeat(513), { amount: 1 }), 'ENTITY_ID_MISSING'],
      [bus.enqueue('account', 7 as never, 'a', {}), 'INVALID_PAYLOAD'],
      [bus.enqueue(new Deposit(1, undefined as never)), 'ENTITY_ID_MISSING'],
    ] as const;
    for (const [promise, code] of bad) expect((await refusal(promise)).code).toBe(code);
    expect(() => bus.forEntity('account', '')).toThrow(/empty/);
    expect(await app.wal.counts(0)).toMatchObject({ accepted: 0 });
    expect(app.node.owner.phase).toBe('running');
    await app.stop();
  });

  it('while a second handler for a message is refused where it is declared', async () => {
    const app = await bank();
    expect(() => app.node.handle(Deposit, () => {})).toThrow(/Two handlers/);
    await app.stop();
  });
});

describe('a wildcard handler', () => {
  it("gets what has no handler of its own, with the message's name in the context", async () => {
    const seen: string[] = [];
    const app = await createTestApp({
      setup: (node) => {
        node.handle('job', 'known', () => void seen.push('own'));
        node.handle('job', '*', (_message, { name }) => void seen.push(name));
      },
    });
    await app.drive(app.bus.enqueue('job', 'known', 'a', {}));
    await app.drive(app.bus.enqueue('job', 'other', 'a', {}));
    await app.settle();
    expect(seen).toEqual(['own', 'other']);
    await app.stop();
  });
});
