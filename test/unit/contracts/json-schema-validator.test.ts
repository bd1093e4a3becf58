import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { JsonSchema } from '../../../src/contracts/contract-snapshot.js';
import { jsonSchemaFault } from '../../../src/contracts/json-schema-check.js';
import { JsonSchemaValidator } from '../../../src/contracts/json-schema-validator.js';
import { cheapPattern } from '../../../src/contracts/pattern-cost.js';

function faults(schema: JsonSchema, value: unknown): string[] {
  expect(jsonSchemaFault(schema)).toBeUndefined();
  return new JsonSchemaValidator(schema).faults(value).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('JsonSchemaValidator', () => {
  it.each<[JsonSchema, unknown[], unknown[]]>([
    [{ type: 'integer' }, [1, 2.0], [1.5, '1', null]],
    [{ type: ['string', 'null'] }, ['', null], [1, []]],
    [{ type: 'string', nullable: true }, ['', null], [1]],
    [{ enum: ['a', { b: [1] }] }, ['a', { b: [1] }], ['b', { b: [2] }]],
    [{ const: { a: 1, b: 2 } }, [{ b: 2, a: 1 }], [{ a: 1 }]],
    [{ minimum: 1, exclusiveMaximum: 3 }, [1, 2.9, 'x'], [0, 3]],
    [{ multipleOf: 0.1 }, [0.3, 1, 0], [0.35]],
    [{ minLength: 2, maxLength: 3 }, ['ab', '😀😀', 5], ['a', 'abcd', '😀']],
    [{ pattern: '^[a-z]+$' }, ['abc', 1], ['A']],
    [{ items: { type: 'number' }, minItems: 1 }, [[1]], [[], ['a']]],
    [{ prefixItems: [{ type: 'number' }], items: false }, [[1], []], [[1, 2], ['a']]],
    [{ contains: { const: 1 }, maxContains: 1 }, [[1, 2]], [[2], [1, 1]]],
    [
      { uniqueItems: true },
      [[1, '1', { a: 1 }]],
      [
        [1, 1],
        [{ a: 1 }, { a: 1 }],
      ],
    ],
    [{ required: ['a'], properties: { a: { type: 'string' } } }, [{ a: 'x' }, 'text'], [{}, { a: 1 }]],
    [{ properties: { a: true }, additionalProperties: false }, [{ a: 1 }, {}], [{ b: 1 }]],
    [{ additionalProperties: { type: 'number' } }, [{ a: 1 }], [{ a: 'x' }]],
    [
      { patternProperties: { '^x-': { type: 'number' } }, additionalProperties: false },
      [{ 'x-a': 1 }],
      [{ 'x-a': '' }, { y: 1 }],
    ],
    [{ propertyNames: { maxLength: 2 } }, [{ ab: 1 }], [{ abc: 1 }]],
    [{ minProperties: 1, maxProperties: 2 }, [{ a: 1 }], [{}, { a: 1, b: 1, c: 1 }]],
    [{ dependentRequired: { a: ['b'] } }, [{ a: 1, b: 1 }, { b: 1 }], [{ a: 1 }]],
    [{ dependentSchemas: { a: { required: ['b'] } } }, [{}], [{ a: 1 }]],
    [{ allOf: [{ minimum: 1 }, { maximum: 2 }] }, [1], [0, 3]],
    [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, ['a', null], [1]],
    [{ oneOf: [{ minimum: 1 }, { maximum: 2 }] }, [0, 3], [1]],
    [{ not: { type: 'string' } }, [1], ['a']],
    [JSON.parse('{"if":{"type":"string"},"then":{"minLength":1},"else":{"minimum":0}}'), ['a', 1], ['', -1]],
    [{ $ref: '#/$defs/a~1b', $defs: { 'a/b': { type: 'string' } } }, ['a'], [1]],
    [
      { properties: { next: { $ref: '#' }, v: { type: 'number' } } },
      [{ next: { next: { v: 1 } } }],
      [{ next: { next: { v: 'x' } } }],
    ],
    [true, [1], []],
    [false, [], [1]],
  ])('follows JSON Schema for %j', (schema, right, wrong) => {
    expect(right.filter((value) => faults(schema, value).length > 0)).toEqual([]);
    expect(wrong.filter((value) => faults(schema, value).length === 0)).toEqual([]);
  });

  it('names the fields that are wrong, ten at most', () => {
    const schema = {
      type: 'object',
      properties: { lines: { type: 'array', items: { required: ['sku'], properties: { sku: { type: 'string' } } } } },
    };
    expect(faults(schema, { lines: [{}, { sku: 1 }] })).toEqual([
      'lines.0.sku: is missing',
      'lines.1.sku: must be a string',
    ]);
    expect(faults(schema, { lines: Array.from({ length: 50 }, () => ({})) })).toHaveLength(10);
  });

  it('does not take names of Object.prototype for fields', () => {
    const schema = { type: 'object', required: ['toString'], properties: { constructor: { type: 'number' } } };
    expect(faults(schema, {})).toEqual(['toString: is missing']);
    expect(
      faults(JSON.parse('{"properties":{"__proto__":{"type":"number"}}}'), JSON.parse('{"__proto__":"x"}')),
    ).toHaveLength(1);
  });

  it.each<[string, JsonSchema, unknown]>([
    [
      'references that double at each step',
      {
        $ref: '#/$defs/d0',
        $defs: Object.fromEntries(
          Array.from({ length: 61 }, (_, at) => [
            `d${at}`,
            at === 60
              ? { type: 'string' }
              : { allOf: [{ $ref: `#/$defs/d${at + 1}` }, { $ref: `#/$defs/d${at + 1}` }] },
          ]),
        ),
      },
      'x',
    ],
    [
      'a tree that doubles at each level of the value',
      { allOf: [{ items: { $ref: '#' } }, { items: { $ref: '#' } }] },
      JSON.parse(`${'['.repeat(90)}${']'.repeat(90)}`),
    ],
    ['a pattern that backtracks', { pattern: '^(a+)+$' }, `${'a'.repeat(60)}b`],
    ['a pattern of optional parts', { pattern: `^${'a?'.repeat(60)}${'a'.repeat(60)}$` }, 'a'.repeat(60)],
    ['a pattern of several stars', { pattern: '^a*a*a*a*a*a*b$' }, 'a'.repeat(5_000)],
    ['a pattern inside names', { patternProperties: { '(x+x+)+y': false } }, { ['x'.repeat(60)]: 1 }],
  ])('is done in a moment with %s', (_, schema, value) => {
    const startedAt = performance.now();
    faults(schema, value);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('agrees with zod about what zod publishes', () => {
    const schema = z.object({
      id: z.uuid(),
      amount: z.number().positive().max(100),
      count: z.int().optional(),
      tags: z.array(z.enum(['a', 'b'])).max(2),
      to: z.union([z.string().min(1), z.object({ account: z.string() })]),
      note: z.string().nullable(),
      more: z.record(z.string(), z.boolean()).optional(),
    });
    const validator = new JsonSchemaValidator(z.toJSONSchema(schema, { io: 'input' }) as JsonSchema);
    const some = (right: fc.Arbitrary<unknown>) =>
      fc.oneof({ weight: 8, arbitrary: right }, { weight: 1, arbitrary: fc.jsonValue() });
    const value = fc.record(
      {
        id: some(fc.uuid({ version: 4 })),
        amount: some(fc.double({ min: -1, max: 101, noNaN: true })),
        count: some(fc.integer()),
        tags: some(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 })),
        to: some(fc.oneof(fc.string(), fc.record({ account: fc.string() }))),
        note: some(fc.option(fc.string())),
        more: some(fc.dictionary(fc.string(), fc.boolean())),
      },
      { requiredKeys: ['id', 'amount', 'tags', 'to', 'note'] },
    );
    let right = 0;
    fc.assert(
      fc.property(value, (given) => {
        const data: unknown = JSON.parse(JSON.stringify(given));
        const isFine = schema.safeParse(data).success;
        if (isFine) right += 1;
        expect(validator.faults(data).length === 0).toBe(isFine);
      }),
      { numRuns: 400 },
    );
    expect(right).toBeGreaterThan(20);
  });
});

describe('cheapPattern', () => {
  it.each([
    '^[0-9a-f]{8}-[0-9a-f]{4}$',
    '^a|b$',
    '^\\d+\\.\\d*$',
    '^(?:\\d{1,3}\\.){3}\\d{1,3}$',
    '^[^@\\s]+@[^@\\s]+$',
    '^\\p{L}+$',
  ])('reads %s', (pattern) => {
    expect(cheapPattern(pattern)?.lengthMax).toBeGreaterThan(64);
  });

  it.each([
    '(a+)+',
    '(a|a)*',
    '(?=a)b',
    '(a)\\1',
    '((((((((){8}){8}){8}){8}){8}){8}){8}){8}',
    '[',
    `${'a?'.repeat(40)}`,
    '(?<x>a)',
  ])('leaves %s to its owner', (pattern) => {
    expect(cheapPattern(pattern)).toBeUndefined();
  });
});
