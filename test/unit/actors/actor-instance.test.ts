import { describe, expect, it } from 'vitest';
import { On } from '../../../src/actors/on.js';
import { Transient } from '../../../src/actors/transient.js';
import type { ActorInstance } from '../../../src/entity/actor-port.js';
import { call, complete, labOf, thrownBy } from './actor-lab.js';

class Mailer {
  readonly sent: string[] = [];
}

class Cart {
  items: { sku: string; count: number }[] = [];
  total = 0;
  note: string | undefined;
  extra?: unknown;

  add({ sku = 'a', count = 1 }: { sku?: string; count?: number }): number {
    this.items.push({ sku, count });
    this.total += count;
    return this.total;
  }

  set(fields: object): void {
    Object.assign(this, fields);
  }

  drop({ field }: { field: keyof Cart }): void {
    delete (this as Partial<Cart>)[field];
  }

  addAndFail(): void {
    this.add({});
    Object.assign(this, { other: 1, note: 'half done' });
    delete this.extra;
    throw new Error('no');
  }

  read(): number {
    return this.total;
  }
}

const fieldsOf = (object: object): object => Object.fromEntries(Object.entries(object));

describe('State of an actor', () => {
  it('begins with the defaults of the constructor, and tells of no change before there is one', () => {
    const { wake } = labOf(Cart);
    const cart = wake();
    expect(call(cart, 'read')).toBe(0);
    expect(cart.snapshot()).toBeUndefined();
    expect(complete(cart, 'add')).toBe(
      '{"version":1,"state":{"items":[{"sku":"a","count":1}],"total":1,"note":{"$undefined":true},"extra":{"$undefined":true}}}',
    );
    expect(complete(cart, 'read')).toBeUndefined();
  });

  it('comes back from its text as it was, and tells of no change then', () => {
    const { wake, objectOf } = labOf(Cart);
    const first = wake();
    const fields = {
      note: 'two',
      extra: new Map([[new Date(5), new Set([1n])]]),
      added: { deep: [undefined, { $date: 'mine' }] },
    };
    const text = complete(first, 'set', fields) as string;
    const second = wake(text);
    expect(objectOf(second)).toStrictEqual(objectOf(first));
    expect(second.snapshot()).toBeUndefined();
  });

  it('remembers that a field was deleted or set to undefined, whatever its default is', () => {
    const { wake, objectOf } = labOf(Cart);
    const first = wake();
    complete(first, 'drop', { field: 'total' });
    const second = wake(complete(first, 'set', { items: undefined }) as string);
    expect(objectOf<Cart>(second)).not.toHaveProperty('total');
    expect(objectOf<Cart>(second)).toHaveProperty('items', undefined);
  });

  it('gives a field that the code got later its default', () => {
    const { wake, objectOf } = labOf(Cart);
    const cart = wake('{"version":1,"state":{"total":4}}');
    expect(objectOf<Cart>(cart)).toMatchObject({ total: 4, items: [] });
    complete(cart, 'read');
    expect(() => call(cart, 'addAndFail')).toThrow('no');
    cart.restore();
    expect(objectOf<Cart>(cart)).toMatchObject({ total: 4, items: [] });
  });

  it('is exactly as it was after a failed handler, also in memory', () => {
    const { wake, objectOf } = labOf(Cart);
    const cart = wake();
    complete(cart, 'add', { sku: 'b', count: 2 });
    complete(cart, 'set', { extra: [new Date(1)] });
    const before = structuredClone(fieldsOf(objectOf(cart)));
    for (let round = 0; round < 2; round += 1) {
      expect(() => call(cart, 'addAndFail')).toThrow('no');
      cart.restore();
      expect(fieldsOf(objectOf(cart))).toStrictEqual(before);
      expect(cart.snapshot()).toBeUndefined();
    }
    expect(complete(cart, 'add', { count: 3 })).toContain('"total":5');
  });

  it('is as the constructor made it when the first handler fails', () => {
    const { wake, objectOf } = labOf(Cart);
    const cart = wake();
    expect(() => call(cart, 'addAndFail')).toThrow('no');
    cart.restore();
    expect(fieldsOf(objectOf(cart))).toStrictEqual({ items: [], total: 0, note: undefined, extra: undefined });
  });

  it('goes back to what was kept also when the changes cannot be stored', () => {
    const { wake, objectOf } = labOf(Cart);
    const cart = wake();
    complete(cart, 'add');
    call(cart, 'set', { items: [{ sku: 'a', price: new Mailer() }] });
    const error = thrownBy(() => cart.snapshot());
    expect(error.code).toBe('STATE_INVALID');
    expect(error.details?.path).toBe('items[0].price');
    cart.restore();
    expect(objectOf<Cart>(cart).items).toStrictEqual([{ sku: 'a', count: 1 }]);
  });

  it('never sets the prototype of an instance, and puts fields over what the prototype has', () => {
    const { wake, objectOf } = labOf(Cart);
    const cart = wake('{"version":1,"state":{"__proto__":{"total":9},"read":"mine"}}');
    expect(Object.getPrototypeOf(objectOf<object>(cart))).toBe(Cart.prototype);
    expect(objectOf<Cart>(cart).total).toBe(0);
    expect(Object.getOwnPropertyDescriptor(objectOf<object>(cart), 'read')?.value).toBe('mine');
  });

  it('stores defaults that come out different each time with the first message', () => {
    let made = 0;
    class Numbered {
      number = (made += 1);
      touch(): void {}
    }
    const { wake, objectOf } = labOf(Numbered);
    const first = wake();
    const text = complete(first, 'touch') as string;
    expect(text).toBe('{"version":1,"state":{"number":2}}');
    expect(complete(first, 'touch')).toBeUndefined();
    expect(objectOf<Numbered>(wake(text)).number).toBe(2);
  });
});

describe('Fields of an actor that are not state', () => {
  class Account {
    balance = 0;
    @Transient() cache = new Mailer();
    protected copy: Mailer;

    constructor(
      private readonly mailer: Mailer,
      readonly limit: number,
      readonly currencies: { readonly list: readonly string[] },
    ) {
      this.copy = mailer;
    }

    @On('deposit')
    deposit({ amount }: { amount: number }): number {
      this.balance += amount;
      this.mailer.sent.push(String(amount));
      this.cache.sent.push('cached');
      return this.balance;
    }
  }

  it('are what came in through the constructor, under whatever name, and what is marked with @Transient', () => {
    const mailer = new Mailer();
    const { type, wake, objectOf } = labOf(Account, {}, [mailer, 100, { list: ['EUR'] }]);
    expect(type.stateFields).toEqual(['balance']);
    const first = wake();
    const text = complete(first, 'deposit', { amount: 5 }) as string;
    expect(text).toBe('{"version":1,"state":{"balance":5}}');
    const second = wake(text);
    expect(call(second, 'deposit', { amount: 2 })).toBe(7);
    expect(mailer.sent).toEqual(['5', '2']);
    second.restore();
    expect(objectOf<Account>(second)).toMatchObject({ balance: 5, limit: 100, cache: { sent: ['cached'] } });
  });

  it('keep their values when a stored state has fields of the same names', () => {
    const mailer = new Mailer();
    const { wake, objectOf } = labOf(Account, {}, [mailer, 100, { list: [] }]);
    const account = wake('{"version":1,"state":{"balance":1,"mailer":"hostile","limit":5,"cache":1}}');
    expect(objectOf<object>(account)).toMatchObject({ balance: 1, mailer, limit: 100 });
  });

  it('must stay what they are: what a handler puts there would be lost', () => {
    const mailer = new Mailer();
    const { wake, objectOf } = labOf(Account, {}, [mailer, 100, { list: [] }]);
    const account = wake();
    for (const change of [{ limit: 200 }, { mailer: undefined }, { currencies: { list: ['EUR'] } }]) {
      Object.assign(objectOf<object>(account), change);
      const error = thrownBy(() => account.snapshot());
      expect(error.code).toBe('STATE_INVALID');
      expect(error.message).toContain(`${Object.keys(change)[0] ?? ''} was changed, but it holds what the constructor`);
      account.restore();
      expect(objectOf<object>(account)).toMatchObject({ mailer, limit: 100, currencies: { list: [] } });
    }
  });

  it('are not numbers and texts that the constructor makes the beginning of a state of another name', () => {
    class Savings {
      balance: number;
      constructor(start: number) {
        this.balance = start;
      }
      touch(): void {
        this.balance += 1;
      }
    }
    class Inherits extends Savings {}
    for (const cls of [Savings, Inherits]) {
      const { type, wake } = labOf(cls, {}, [50]);
      expect(type.stateFields).toEqual(['balance']);
      type.addMethod('touch', { method: 'touch' });
      expect(complete(wake(), 'touch')).toBe('{"version":1,"state":{"balance":51}}');
    }
  });

  it('are not guessed: a field that cannot be stored is refused when the actor is registered', () => {
    class Logging {
      readonly log = new Mailer();
      touch(): void {}
    }
    const error = thrownBy(() => labOf(Logging));
    expect(error.code).toBe('STATE_INVALID');
    expect(error.message).toMatch(/initial state of actor cart: log is an instance of Mailer.*@Transient\(\)/);
    const hidden: unique symbol = Symbol('hidden');
    class Symbolic {
      [hidden] = 1;
      touch(): void {}
    }
    expect(thrownBy(() => labOf(Symbolic)).message).toMatch(/Symbol\(hidden\)/);
  });
});

describe('Versions of a state', () => {
  const options = {
    stateVersion: 3,
    upgrade: (state: Record<string, unknown>, from: number) => ({ total: (state['sum'] as number) * from }),
  };

  it('are upgraded from older ones, and stored with the next message even if it changes nothing', () => {
    const { wake, objectOf } = labOf(Cart, options);
    const cart = wake('{"version":2,"state":{"sum":5}}');
    expect(objectOf<Cart>(cart)).toMatchObject({ total: 10, items: [] });
    expect(() => call(cart, 'addAndFail')).toThrow('no');
    cart.restore();
    expect(objectOf<Cart>(cart)).toMatchObject({ total: 10, items: [] });
    expect(complete(cart, 'read')).toMatch(/^\{"version":3,.*"total":10/);
    expect(complete(cart, 'read')).toBeUndefined();
  });

  const refused: readonly (readonly [string, object, string, RegExp])[] = [
    ['of an older version without an upgrade', { stateVersion: 2 }, '{"version":1,"state":{}}', /no upgrade/],
    ['of a newer version', options, '{"version":4,"state":{}}', /version 4, and Cart has stateVersion 3: newer code/],
    ['of a newer version than the default', {}, '{"version":2,"state":{}}', /newer code wrote it/],
    [
      'whose upgrade throws',
      {
        stateVersion: 2,
        upgrade: () => {
          throw new Error('oops');
        },
      },
      '{"version":1,"state":{}}',
      /threw: oops/,
    ],
    [
      'whose upgrade returns nothing',
      { stateVersion: 2, upgrade: () => undefined as never },
      '{"version":1,"state":{}}',
      /did not return an object/,
    ],
    [
      'whose upgrade returns a promise',
      { stateVersion: 2, upgrade: (async () => ({})) as never },
      '{"version":1,"state":{}}',
      /did not return an object/,
    ],
    [
      'whose upgrade returns what cannot be stored',
      { stateVersion: 2, upgrade: () => ({ total: new Mailer() }) },
      '{"version":1,"state":{}}',
      /total is an instance of Mailer/,
    ],
    ['that is not one', {}, 'nonsense', /not JSON/],
  ];
  for (const [what, given, text, reason] of refused) {
    it(`refuses a state ${what}`, () => {
      const error = thrownBy(() => labOf(Cart, given).wake(text));
      expect(error.code).toBe('STATE_INVALID');
      expect(error.message).toMatch(reason);
    });
  }
});

describe('onActivate', () => {
  it('runs when the state is there, before the first message, and may take its time', async () => {
    const seen: unknown[] = [];
    class Slow {
      total = 1;
      async onActivate(entity: object): Promise<void> {
        seen.push([this.total, entity]);
        await Promise.resolve();
        this.total += 1;
      }
      touch(): void {
        this.total += 10;
      }
    }
    const { wake, objectOf } = labOf(Slow);
    const slow = await (wake('{"version":1,"state":{"total":5}}') as unknown as Promise<ActorInstance>);
    expect(seen).toEqual([[5, { entityType: 'cart', entityId: 'c-1' }]]);
    call(slow, 'touch');
    slow.restore();
    expect(objectOf<Slow>(slow).total).toBe(6);
    expect(slow.snapshot()).toBe('{"version":1,"state":{"total":6}}');
  });
});
