import { describe, expect, it } from 'vitest';
import { EntityType } from '../../../src/message/entity-type.js';
import { isAtomicQueuesError } from '../../../src/message/errors.js';
import { MessageRegistry } from '../../../src/message/message-registry.js';

const limits = { payloadBytesMax: 1_048_576, payloadDepthMax: 100 };

@EntityType('account')
class Deposit {
  constructor(readonly amount: number) {}
}

@EntityType('account', { name: 'Deposit' })
class OtherDeposit {}

@EntityType('order', { name: 'Deposit' })
class OrderDeposit {}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (isAtomicQueuesError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'nothing was thrown';
}

describe('MessageRegistry', () => {
  it('finds classes by type and wire name', () => {
    const registry = new MessageRegistry(limits);
    const meta = registry.register(Deposit);
    expect(registry.register(Deposit)).toBe(meta);
    registry.register(OrderDeposit);
    expect(registry.find('account', 'Deposit')).toBe(meta);
    expect(registry.find('order', 'Deposit')?.cls).toBe(OrderDeposit);
    expect(registry.find('account', 'Withdraw')).toBeUndefined();
    expect(registry.namesOf('account')).toEqual(['Deposit']);
    expect(registry.namesOf('nothing')).toEqual([]);
    expect(registry.entityTypes).toEqual(['account', 'order']);
  });

  it('refuses two classes with one type and name, naming both', () => {
    const registry = new MessageRegistry(limits);
    registry.register(Deposit);
    expect(codeOf(() => registry.register(OtherDeposit))).toMatch(
      /^CONFIG_INVALID: The classes Deposit and OtherDeposit/,
    );
    expect(registry.find('account', 'Deposit')?.cls).toBe(Deposit);
  });

  it('learns a decorated class from its first instance, and refuses everything else by name', () => {
    const registry = new MessageRegistry(limits);
    expect(registry.ofInstance(new Deposit(1)).name).toBe('Deposit');
    expect(registry.find('account', 'Deposit')).toBeDefined();
    class Plain {}
    expect(codeOf(() => registry.ofInstance(new Plain()))).toContain(
      'UNKNOWN_ENTITY_TYPE: Plain is not a message class',
    );
    expect(codeOf(() => registry.ofInstance({}))).toContain('UNKNOWN_ENTITY_TYPE: A plain object');
    expect(codeOf(() => registry.ofInstance(Object.create(null)))).toContain('UNKNOWN_ENTITY_TYPE');
    expect(codeOf(() => registry.ofInstance(null))).toContain('INVALID_PAYLOAD');
    expect(codeOf(() => registry.ofInstance('Deposit'))).toContain('INVALID_PAYLOAD');
  });

  it('rebuilds instances of known classes only', () => {
    const registry = new MessageRegistry(limits);
    registry.register(Deposit);
    const deposit = registry.toInstance('account', 'Deposit', '{"amount":5}');
    expect(deposit).toBeInstanceOf(Deposit);
    expect(deposit).toEqual(new Deposit(5));
    const unknown = registry.toInstance('account', 'Object', '{"amount":5}');
    expect(Object.getPrototypeOf(unknown)).toBe(Object.prototype);
    expect(registry.toInstance('account', 'Anything', '[1]')).toEqual([1]);
    expect(codeOf(() => registry.toInstance('account', 'Deposit', '[1]'))).toContain(
      'INVALID_PAYLOAD: Payload of Deposit',
    );
    expect(codeOf(() => registry.toInstance('account', 'Deposit', '{"__proto__":{}}'))).toContain('INVALID_PAYLOAD');
    expect(codeOf(() => registry.toInstance('__proto__', 'constructor', '{}'))).toBe('nothing was thrown');
  });

  it('says what it got instead of a message', () => {
    const registry = new MessageRegistry(limits);
    const got = [undefined, null, 5].map((value) => codeOf(() => registry.ofInstance(value)));
    expect(got.map((text) => text.slice(text.indexOf('got ')))).toEqual([
      'got undefined.',
      'got null.',
      'got a number.',
    ]);
  });
});
