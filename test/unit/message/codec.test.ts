import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePayload, decodeReply, encodePayload, encodeReply, instantiate } from '../../../src/message/codec.js';
import { type AtomicQueuesError, isAtomicQueuesError } from '../../../src/message/errors.js';

const limits = { payloadBytesMax: 1_048_576, payloadDepthMax: 100 };
const encode = (value: unknown, some = limits): string => encodePayload(value, some, 'Payload of Sample');

function refusal(action: () => unknown): AtomicQueuesError {
  try {
    action();
  } catch (error) {
    if (isAtomicQueuesError(error)) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < depth; level += 1) value = [value];
  return value;
}

class Account {
  constructor(
    readonly accountId: string,
    readonly amount: number,
  ) {}
}

/** Plain JSON data without the keys that are refused, and without -0, which JSON does not have. */
const plainData = fc
  .jsonValue({ maxDepth: 5 })
  .filter((value) => !/"(__proto__|constructor|prototype)":/.test(JSON.stringify(value)))
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown);

describe('encodePayload', () => {
  it('brings every plain value back unchanged', () => {
    fc.assert(
      fc.property(plainData, (value) => {
        expect(decodePayload(encode(value), limits)).toStrictEqual(value);
      }),
    );
  });

  it('writes what JSON.stringify writes, whatever the value, or refuses it by name', () => {
    fc.assert(
      fc.property(
        fc.anything({ withDate: true, withNullPrototype: true, withBigInt: true, withMap: true }),
        (value) => {
          let text: string;
          try {
            text = encode(value);
          } catch (error) {
            expect(isAtomicQueuesError(error, 'INVALID_PAYLOAD')).toBe(true);
            return;
          }
          expect(text).toBe(JSON.stringify(value));
        },
      ),
    );
  });

  it('leaves out fields that are undefined and fields with symbol keys', () => {
    expect(encode({ a: 1, b: undefined, [Symbol('c')]: 3 })).toBe('{"a":1}');
    expect(encode({ a: new Date(0), b: undefined })).toBe('{"a":"1970-01-01T00:00:00.000Z"}');
  });

  it('honours toJSON once, with its key, and checks what it returns', () => {
    expect(encode({ price: { toJSON: (key: string) => `${key}!` } })).toBe('{"price":"price!"}');
    expect(encode([{ toJSON: (key: string) => key }])).toBe('["0"]');
    class Money {
      readonly cents = 5;
      toJSON(): this {
        return this;
      }
    }
    expect(encode(new Money())).toBe('{"cents":5}');
    expect(refusal(() => encode({ price: { toJSON: () => ({ deep: [1n] }) } })).message).toContain(
      'price.deep[0] is a BigInt',
    );
  });

  it('keeps lone surrogates', () => {
    const text = encode({ half: '\ud800' });
    expect(decodePayload(text, limits)).toStrictEqual({ half: '\ud800' });
  });

  const circular: Record<string, unknown> = { name: 'x' };
  circular['self'] = { back: circular };
  const wide: Record<string, unknown> = {};
  wide['left'] = wide;
  wide['right'] = wide;
  const sparse: unknown[] = [1];
  sparse[2] = 3;
  class Sub extends Map<string, string> {}

  const refused: readonly (readonly [string, unknown, string])[] = [
    ['a circle', circular, 'self.back is circular'],
    ['a circle that branches', wide, 'left is circular'],
    ['a BigInt', { items: [{}, { price: 1n }] }, 'items[1].price is a BigInt'],
    ['a function', { run: () => 1 }, 'run is a function'],
    ['a symbol', { 'odd key': Symbol('x') }, '["odd key"] is a symbol'],
    ['undefined at the top', undefined, 'the value is undefined'],
    ['undefined in an array', { items: [1, undefined] }, 'items[1] is undefined'],
    ['a hole', { items: sparse }, 'items[1] is a hole'],
    ['NaN', { items: [0, 1, 2, { price: Number.NaN }] }, 'items[3].price is NaN'],
    ['Infinity', Number.NEGATIVE_INFINITY, 'the value is -Infinity'],
    ['a Map', { map: new Map() }, 'map is a Map'],
    ['a class that extends Map', { map: new Sub() }, 'map is a Map'],
    ['a Set', [new Set()], '[0] is a Set'],
    ['a WeakMap', { weak: new WeakMap() }, 'weak is a weak'],
    ['a Promise', { later: Promise.resolve(1) }, 'later is a Promise'],
    ['a RegExp', { pattern: /x/ }, 'pattern is a RegExp'],
    ['an Error', { error: new TypeError('x') }, 'error is an Error'],
    ['an ArrayBuffer', { bytes: new ArrayBuffer(1) }, 'base64'],
    ['a typed array', { bytes: new Uint16Array(1) }, 'base64'],
    ['a Buffer', { bytes: Buffer.from('x') }, 'base64'],
    ['an invalid Date', { at: new Date(Number.NaN) }, 'at is an invalid Date'],
    ['a boxed BigInt', { big: Object(1n) }, 'big is a boxed'],
    ['a boxed number', { big: Object(Number.NaN) }, 'big is a boxed'],
    ['a WeakRef', [new WeakRef({})], 'weak'],
    ['what only inherits from a built-in', { map: Object.create(WeakSet.prototype) }, 'map is a weak'],
    ['a key __proto__', JSON.parse('{"a":{"__proto__":{}}}'), 'a.__proto__ is a field with a name'],
    ['a key constructor', { constructor: 1 }, 'constructor is a field with a name'],
    ['a key prototype', { prototype: 1 }, 'prototype is a field with a name'],
    [
      'a getter that throws',
      {
        get broken(): number {
          throw new Error('no');
        },
      },
      'broken threw when it was read',
    ],
    [
      'a toJSON that throws',
      {
        a: {
          toJSON() {
            throw new Error('no');
          },
        },
      },
      'a threw when it was read',
    ],
    ['a revoked proxy', revoked(), 'threw'],
    ['101 levels', nested(101), 'deeper than 100 levels'],
  ];
  it.each(refused)('refuses %s and says where', (_what, value, words) => {
    const error = refusal(() => encode(value));
    expect(error.code).toBe('INVALID_PAYLOAD');
    expect(error.retryable).toBe(false);
    expect(error.message).toContain(`Payload of Sample: `);
    expect(error.message).toContain(words);
  });

  it('takes 100 levels', () => {
    expect(decodePayload(encode(nested(100)), limits)).toStrictEqual(nested(100));
  });

  it('refuses a text above the limit, counted in UTF-8 bytes, and says both numbers', () => {
    const some = { payloadBytesMax: 12, payloadDepthMax: 3 };
    expect(encode('ééééé', some)).toBe('"ééééé"');
    const error = refusal(() => encode('éééééé', some));
    expect(error.code).toBe('PAYLOAD_TOO_LARGE');
    expect(error.message).toContain('14 bytes');
    expect(error.message).toContain('12');
  });

  it('gives up early on a value whose shared parts would fill the memory', () => {
    let value: unknown = { leaf: true };
    for (let level = 0; level < 60; level += 1) value = [value, value];
    expect(refusal(() => encode(value)).code).toBe('PAYLOAD_TOO_LARGE');
  });

  it('refuses a value that answers differently at the second look', () => {
    let looks = 0;
    const fickle = {
      get amount(): unknown {
        looks += 1;
        return looks === 1 ? 1 : 1n;
      },
    };
    expect(refusal(() => encode(fickle)).code).toBe('INVALID_PAYLOAD');
  });
});

describe('decodePayload', () => {
  it.each([
    '{"__proto__":{"polluted":true}}',
    '[{"a":{"__proto__":1}}]',
    '{"\\u005f_proto__":1}',
    '{"c\\u006fnstructor":{"prototype":{"polluted":true}}}',
    '{"a":[{"prot\\u006ftype":1}]}',
  ])('refuses %s', (text) => {
    expect(refusal(() => decodePayload(text, limits)).code).toBe('INVALID_PAYLOAD');
  });

  it('takes the dangerous names as values', () => {
    expect(decodePayload('["__proto__","constructor","\\u0041"]', limits)).toStrictEqual([
      '__proto__',
      'constructor',
      'A',
    ]);
  });

  it.each(['', 'x', '{', '{"a":1,}', 'undefined', '\u0000'])('refuses %j, which is not JSON', (text) => {
    expect(refusal(() => decodePayload(text, limits)).code).toBe('INVALID_PAYLOAD');
  });

  it('refuses nesting above the limit, and survives absurd nesting', () => {
    expect(refusal(() => decodePayload(`${'['.repeat(101)}${']'.repeat(101)}`, limits)).code).toBe('INVALID_PAYLOAD');
    expect(refusal(() => decodePayload(`${'['.repeat(200_000)}${']'.repeat(200_000)}`, limits)).code).toBe(
      'INVALID_PAYLOAD',
    );
  });

  it('cannot be made to touch a prototype by any text', () => {
    const key = fc.constantFrom('__proto__', 'constructor', 'prototype', 'polluted', 'toString', 'a');
    const hostile = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.constant(true),
        fc.array(fc.tuple(key, tie('node')), { maxLength: 3 }).map(written),
      ),
    })).node;
    fc.assert(
      fc.property(hostile, (value) => {
        const text = value instanceof Written ? value.text : 'true';
        try {
          instantiate(Account, decodePayload(text, limits));
        } catch (error) {
          expect(isAtomicQueuesError(error, 'INVALID_PAYLOAD')).toBe(true);
        }
        expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
        expect(Object.hasOwn(Account.prototype, 'polluted')).toBe(false);
        expect({}.toString).toBe(Object.prototype.toString);
      }),
    );
  });
});

describe('encodeReply and decodeReply', () => {
  it('has no text for no reply, and null for null', () => {
    expect(encodeReply(undefined, limits, 'Reply')).toBeUndefined();
    expect(decodeReply(undefined, limits)).toBeUndefined();
    expect(encodeReply(null, limits, 'Reply')).toBe('null');
    expect(decodeReply('null', limits)).toBeNull();
  });
});

describe('instantiate', () => {
  it('makes an instance without calling the constructor', () => {
    let calls = 0;
    class Counted {
      readonly id: string;
      constructor(id: string) {
        calls += 1;
        this.id = id;
      }
      get label(): string {
        return `#${this.id}`;
      }
    }
    const instance = instantiate(Counted, { id: 'a' });
    expect(instance).toBeInstanceOf(Counted);
    expect(instance.label).toBe('#a');
    expect(calls).toBe(0);
  });

  it('calls no setter and changes no prototype', () => {
    let set = false;
    class Guarded {
      set amount(_value: number) {
        set = true;
      }
    }
    const data = Object.defineProperty({ amount: 1, toString: 'x' }, '__proto__', {
      value: { evil: 1 },
      enumerable: true,
    });
    const instance = instantiate(Guarded, data);
    expect(set).toBe(false);
    expect(instance.amount).toBe(1);
    expect(Object.getPrototypeOf(instance)).toBe(Guarded.prototype);
    expect('evil' in instance).toBe(false);
  });

  it('copies data that a schema has frozen', () => {
    const data = Object.freeze({ id: 'a', toString: 'x' });
    const instance = instantiate(Account, data);
    expect(instance).toBeInstanceOf(Account);
    expect(Object.entries(instance)).toEqual([
      ['id', 'a'],
      ['toString', 'x'],
    ]);
    expect(Object.isFrozen(instance)).toBe(false);
  });

  it.each([null, [], 'x', 1])('refuses %j', (data) => {
    expect(refusal(() => instantiate(Account, data)).code).toBe('INVALID_PAYLOAD');
  });
});

/** An object's text, with its keys written as they are, which an object in memory could not always hold. */
class Written {
  constructor(readonly text: string) {}
}

function written(fields: readonly (readonly [string, unknown])[]): Written {
  const parts = fields.map(
    ([key, value]) => `${JSON.stringify(key)}:${value instanceof Written ? value.text : 'true'}`,
  );
  return new Written(`{${parts.join(',')}}`);
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return { proxy };
}
