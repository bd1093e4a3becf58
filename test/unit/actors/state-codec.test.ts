import { deepStrictEqual } from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readState, stateText, storableField } from '../../../src/actors/state-codec.js';
import { LIMITS, thrownBy } from './actor-lab.js';

const OWNER = { entityType: 'cart', entityId: 'c-1' };

function textOf(value: unknown): string {
  return stateText(1, { field: storableField(value, 'field', OWNER) }, OWNER, LIMITS);
}

function roundTrip(value: unknown): unknown {
  const { version, state } = readState(textOf(value), OWNER);
  expect(version).toBe(1);
  return state['field'];
}

/** Everything that a state may hold, in any nesting, with names that imitate the codec's own marks. */
const keys = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '$map',
    '$set',
    '$date',
    '$object',
    '$undefined',
    '$deleted',
    '$',
    '__proto__',
    'constructor',
    'toJSON',
  ),
);
const scalars = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.boolean(),
  fc.constant(null),
  fc.constant(undefined),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.bigInt(),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 20 }),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
);
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalars,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.uniqueArray(tie('value'), { maxLength: 4, comparator: 'SameValueZero' }).map((items) => new Set(items)),
    fc
      .uniqueArray(fc.tuple(tie('value'), tie('value')), {
        maxLength: 4,
        selector: ([key]) => key,
        comparator: 'SameValueZero',
      })
      .map((entries) => new Map(entries)),
    fc.dictionary(keys, tie('value'), { maxKeys: 4 }),
    fc.dictionary(keys, tie('value'), { minKeys: 1, maxKeys: 1, noNullPrototype: true }),
  ),
})).value;

describe('The codec of actor states', () => {
  it('brings back exactly what was there, whatever it is made of and however its fields are called', () => {
    fc.assert(
      fc.property(values, (value) => {
        // Node's own comparison: it tells a field called `constructor` from the constructor.
        deepStrictEqual(roundTrip(value), value);
      }),
      { numRuns: 2_000 },
    );
  });

  it('gives the same text for what it has read as for what was there', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(textOf(roundTrip(value))).toBe(textOf(value));
      }),
      { numRuns: 500 },
    );
  });

  it('never takes an object of the user for one of its own marks', () => {
    const hostile = [
      { $map: [['a', 1]] },
      { $date: '2020-01-01T00:00:00.000Z' },
      { $undefined: true },
      { $deleted: true },
      { $object: { $map: [] } },
      { $object: { $object: { $set: [1] } } },
      { $nothing: 1 },
      { $: 1 },
      [{ $bigint: '5' }, new Map([[{ $set: [] }, { $map: [] }]])],
      { $map: 1, other: 2 },
    ];
    for (const value of hostile) expect(roundTrip(value)).toStrictEqual(value);
    const own = JSON.parse('{"__proto__":{"isAdmin":true}}') as unknown;
    expect(roundTrip(own)).toStrictEqual(own);
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
    const dictionary = Object.assign(Object.create(null) as object, { a: new Date(5) });
    expect(Object.getPrototypeOf(roundTrip(dictionary))).toBeNull();
  });

  it('keeps what JSON would lose in silence: undefined, minus zero, dates, big numbers and bytes', () => {
    expect(roundTrip({ a: undefined })).toStrictEqual({ a: undefined });
    expect(Object.is(roundTrip(-0), -0)).toBe(true);
    expect(roundTrip(10n ** 40n)).toBe(10n ** 40n);
    expect(roundTrip(new Date(-8.64e15))).toStrictEqual(new Date(-8.64e15));
    expect(roundTrip(Buffer.from('hé'))).toStrictEqual(Buffer.from('hé'));
    expect(roundTrip(new Uint8Array([1, 255]))).toStrictEqual(new Uint8Array([1, 255]));
  });

  it('takes plain objects, arrays and collections of another realm for what they are', () => {
    const foreign: unknown = runInNewContext('({ list: [1], map: new Map([[1, new Date(7)]]), set: new Set([2]) })');
    expect(roundTrip(foreign)).toStrictEqual({ list: [1], map: new Map([[1, new Date(7)]]), set: new Set([2]) });
  });

  class Money {
    constructor(readonly amount: number) {}
  }
  class Ledger extends Map<string, number> {}
  class List extends Array<number> {}
  const circle: Record<string, unknown> = { items: [] };
  (circle['items'] as unknown[]).push({ back: circle });
  let deep: unknown = 1;
  for (let level = 0; level < 101; level += 1) deep = [deep];
  const sparse = Object.assign(new Array<number>(3), { 0: 1, 2: 3 });

  const refused: readonly (readonly [what: string, value: unknown, path: string, reason: RegExp])[] = [
    [
      'an instance of a class',
      { items: [0, 1, 2, { price: new Money(5) }] },
      'field.items[3].price',
      /instance of Money/,
    ],
    ['an instance by itself', new Money(1), 'field', /instance of Money/],
    ['a subclass of Map', { a: new Ledger() }, 'field.a', /instance of Ledger/],
    ['a subclass of Array', { a: new List() }, 'field.a', /instance of List/],
    ['a function', { a: () => 1 }, 'field.a', /is a function/],
    ['an object with toJSON', { toJSON: () => 1 }, 'field.toJSON', /is a function/],
    ['a symbol', [Symbol('s')], 'field[0]', /is a symbol/],
    ['a Promise', { 'two words': Promise.resolve() }, 'field["two words"]', /instance of Promise/],
    ['a WeakMap', new WeakMap(), 'field', /instance of WeakMap/],
    ['a RegExp', /x/, 'field', /instance of RegExp/],
    ['an Error', new Error('x'), 'field', /instance of Error/],
    ['a boxed number', Object(1), 'field', /instance of Number/],
    ['NaN', { sum: Number.NaN }, 'field.sum', /is NaN/],
    ['Infinity', new Map([['limit', Number.POSITIVE_INFINITY]]), 'field.get("limit")', /is Infinity/],
    ['an invalid Date', new Set([new Date(Number.NaN)]), 'field.values()[0]', /invalid Date/],
    ['a key of a Map', new Map([[new Money(1), 1]]), 'field.keys()[0]', /instance of Money/],
    ['a value under a key that is an object', new Map([[{}, new Money(1)]]), 'field.values()[0]', /instance of Money/],
    ['a circle', circle, 'field.items[0].back', /circular/],
    ['deep nesting', deep, `field${'[0]'.repeat(100)}`, /nested deeper than 100/],
    ['a sparse array', { list: sparse }, 'field.list[1]', /hole/],
    ['another typed array', new Float64Array(2), 'field', /instance of Float64Array/],
    ['a URL', { at: new URL('http://localhost') }, 'field.at', /instance of URL/],
    ['an object with a prototype of its own', Object.create({ a: 1 }), 'field', /instance of Object/],
    [
      'a getter that throws',
      {
        get a(): number {
          throw new Error('no');
        },
      },
      'field.a',
      /threw/,
    ],
  ];
  for (const [what, value, path, reason] of refused) {
    it(`refuses ${what}, naming the field`, () => {
      const error = thrownBy(() => textOf(value));
      expect(error.code).toBe('STATE_INVALID');
      expect(error.details?.path).toBe(path);
      expect(error.message).toMatch(reason);
      expect(error.message).toContain('State of cart "c-1"');
    });
  }

  it('refuses what is reachable in endless ways instead of walking it for ever', () => {
    let tree: unknown = { leaf: 1 };
    for (let level = 0; level < 60; level += 1) tree = [tree, tree];
    expect(thrownBy(() => textOf(tree)).code).toBe('STATE_INVALID');
  });

  it('refuses a state that is larger than payloadBytesMax, naming the largest field', () => {
    const big = 'x'.repeat(LIMITS.payloadBytesMax);
    const error = thrownBy(() => stateText(1, { small: 1, notes: big }, OWNER, LIMITS));
    expect(error.code).toBe('STATE_INVALID');
    expect(error.message).toMatch(/most of them \(\d+ characters\) in notes.*payloadBytesMax/);
  });

  it('refuses text that is no stored state, and says why', () => {
    const texts: readonly (readonly [string, RegExp])[] = [
      ['', /not JSON/],
      ['{', /not JSON/],
      ['null', /no version/],
      ['{"state":{}}', /no version/],
      ['{"version":0,"state":{}}', /no version/],
      ['{"version":1.5,"state":{}}', /no version/],
      ['{"version":1}', /no object/],
      ['{"version":1,"state":[]}', /no object/],
      ['{"version":1,"state":{"a":{"$map":5}}}', /tag "\$map"/],
      ['{"version":1,"state":{"a":{"$map":[[1]]}}}', /tag "\$map"/],
      ['{"version":1,"state":{"a":{"$date":"soon"}}}', /tag "\$date"/],
      ['{"version":1,"state":{"a":{"$bigint":"1.5"}}}', /tag "\$bigint"/],
      ['{"version":1,"state":{"a":{"$number":"NaN"}}}', /tag "\$number"/],
      ['{"version":1,"state":{"a":{"$object":[]}}}', /tag "\$object"/],
      ['{"version":1,"state":{"a":{"$later":1}}}', /unknown tag "\$later"/],
    ];
    for (const [text, reason] of texts) {
      const error = thrownBy(() => readState(text, OWNER));
      expect([text, error.code]).toEqual([text, 'STATE_INVALID']);
      expect(error.message).toMatch(reason);
    }
  });
});
