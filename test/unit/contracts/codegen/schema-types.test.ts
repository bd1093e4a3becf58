/** Which TypeScript type each form of schema gives. */
import { describe, expect, it } from 'vitest';
import { Identifiers } from '../../../../src/contracts/codegen/names.js';
import { SchemaReader } from '../../../../src/contracts/codegen/schema-reader.js';
import { declarationLines } from '../../../../src/contracts/codegen/type-text.js';
import type { JsonSchema } from '../../../../src/contracts/contract-snapshot.js';

/** The declarations for a schema called X, on as few lines as they can be read on. */
function typesOf(schema: JsonSchema): string[] {
  const reader = new SchemaReader(new Identifiers(['X']), schema, 'X');
  reader.declareRoot('X');
  return reader.declarations.map((declaration) =>
    declarationLines(declaration, '')
      .map((line) => line.trim())
      .join(' ')
      .replaceAll('readonly ', '')
      .replace(/^export (type|interface) /, ''),
  );
}

const field = (schema: JsonSchema): JsonSchema => ({ type: 'object', properties: { a: schema }, required: ['a'] });

describe('types of schemas', () => {
  it.each<[string, JsonSchema, string[]]>([
    ['anything', true, ['X = unknown;']],
    ['nothing', false, ['X = never;']],
    ['no rules', {}, ['X = unknown;']],
    ['text', { type: 'string' }, ['X = string;']],
    ['an integer', { type: 'integer' }, ['X = number;']],
    ['an unknown type', { type: 'nonsense' }, ['X = unknown;']],
    ['several types', { type: ['null', 'string', 'boolean'] }, ['X = string | boolean | null;']],
    ['nullable of older drafts', { type: 'string', nullable: true }, ['X = string | null;']],
    ['a constant', { const: 'a' }, ["X = 'a';"]],
    ['a constant object', { const: { a: 1 } }, ['X { [key: string]: unknown; }']],
    ['an enum', { enum: ['a', 1, true, null] }, ["X = 'a' | 1 | true | null;"]],
    ['a long text', { const: 'x'.repeat(100) }, ['X = string;']],
    ['a large enum', { enum: Array.from({ length: 300 }, (_, n) => `v${n}`) }, ['X = string;']],
    ['a list', { type: 'array', items: { type: 'string' } }, ['X = string[];']],
    ['a list of anything', { type: 'array' }, ['X = unknown[];']],
    [
      'a list of several',
      { type: 'array', items: { type: ['string', 'number'] } },
      ['X = XItem[];', 'XItem = string | number;'],
    ],
    ['a tuple', { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }] }, ['X = [string, number];']],
    [
      'a tuple that may be shorter',
      { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }], minItems: 1 },
      ['X = [string, number?];'],
    ],
    [
      'a tuple with more',
      { type: 'array', prefixItems: [{ type: 'string' }], items: { type: 'number' } },
      ['X = [string, ...number[]];'],
    ],
    [
      'a tuple of older drafts',
      { type: 'array', items: [{ type: 'string' }], additionalItems: false },
      ['X = [string];'],
    ],
    [
      'an object',
      { type: 'object', properties: { a: { type: 'string' }, b: {} }, required: ['b'] },
      ['X { a?: string | undefined; b: unknown; }'],
    ],
    ['any object', { type: 'object' }, ['X { [key: string]: unknown; }']],
    [
      'an empty object',
      { type: 'object', properties: {}, additionalProperties: false },
      ['X { [key: string]: never; }'],
    ],
    [
      'an open object',
      { ...(field({ type: 'string' }) as object), additionalProperties: { type: 'number' } },
      ['X { a: string; [key: string]: unknown; }'],
    ],
    ['a record', { type: 'object', additionalProperties: { type: 'number' } }, ['X { [key: string]: number; }']],
    [
      'patterns of names',
      { type: 'object', patternProperties: { '^a': { type: 'number' } }, additionalProperties: false },
      ['X { [key: string]: number; }'],
    ],
    ['a required field that is not described', { type: 'object', required: ['a'] }, ['X { a: unknown; }']],
    ['no type, but fields', { properties: { a: { type: 'string' } } }, ['X { a?: string | undefined; }']],
    ['an object in an object', field(field({ type: 'null' })), ['X { a: XA; }', 'XA { a: null; }']],
    ['names that cannot travel', { type: 'object', properties: { constructor: {}, a: {} } }, ['X { a?: unknown; }']],
    ['alternatives', { anyOf: [{ type: 'string' }, { type: 'null' }] }, ['X = string | null;']],
    [
      'told alternatives',
      { oneOf: [field({ const: 'one' }), field({ const: 'two' })] },
      ['X = XOne | XTwo;', "XOne { a: 'one'; }", "XTwo { a: 'two'; }"],
    ],
    [
      'all of several',
      { allOf: [field({ type: 'string' }), { type: 'object', properties: { b: {} } }] },
      ['X = XPart & XPart2;', 'XPart { a: string; }', 'XPart2 { b?: unknown; }'],
    ],
    ['never', { not: {} }, ['X = never;']],
    ['a condition', { type: 'string', if: { const: 'a' }, not: { const: 'b' } }, ['X = string;']],
    ['a reference', field({ $ref: '#/$defs/text' }), ['X { a: unknown; }']],
    [
      'a reference to a definition',
      { ...(field({ $ref: '#/$defs/te~1xt' }) as object), $defs: { 'te/xt': { type: 'string' } } },
      ['X { a: XTe1xt; }', 'XTe1xt = string;'],
    ],
    ['a tree', field({ anyOf: [{ $ref: '#' }, { type: 'null' }] }), ['X { a: X | null; }']],
    [
      'a tree by definition',
      { $ref: '#/$defs/node', $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } } } },
      ['X = XNode;', 'XNode { next?: XNode | undefined; }'],
    ],
    ['a list of itself', { type: 'array', items: { $ref: '#' } }, ['X = X[];']],
    ['itself', { $ref: '#' }, ['X = unknown;']],
    ['itself or text', { anyOf: [{ $ref: '#' }, { type: 'string' }] }, ['X = string;']],
    ['another document', { $ref: 'https://example.com/schema' }, ['X = unknown;']],
    [
      'an anchor',
      { ...(field({ $ref: '#here' }) as object), $defs: { t: { $anchor: 'here', type: 'number' } } },
      ['X { a: XHere; }', 'XHere = number;'],
    ],
    [
      'older definitions',
      { ...(field({ $ref: '#/definitions/t' }) as object), definitions: { t: { type: 'number' } } },
      ['X { a: XT; }', 'XT = number;'],
    ],
    [
      'keywords of the wrong kind',
      { type: 5, properties: [], anyOf: {}, required: 'a', items: 7, enum: 'x' } as JsonSchema,
      ['X { [key: string]: unknown; }'],
    ],
  ])('%s', (_title, schema, expected) => {
    expect(typesOf(schema).sort()).toEqual(expected.sort());
  });

  it('ends with schemas that do not: as deep and as long as anyone makes them', () => {
    let deep: JsonSchema = { type: 'string' };
    for (let level = 0; level < 2_000; level++) deep = field(deep);
    expect(typesOf(deep).length).toBeLessThan(100);
    const wide = {
      type: 'object',
      properties: Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`f${n}`, {}])),
    };
    expect(typesOf(wide)[0]).toMatch(/\[key: string\]: unknown/);
    const bomb = Object.fromEntries(
      Array.from({ length: 40 }, (_, n) => [
        `d${n}`,
        { anyOf: [field({ $ref: `#/$defs/d${n + 1}` }), { $ref: `#/$defs/d${n + 1}` }] },
      ]),
    );
    expect(typesOf({ $ref: '#/$defs/d0', $defs: bomb }).length).toBeLessThan(200);
  });
});
