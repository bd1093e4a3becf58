/** Which changes of a contract break those who call by the older one. */
import { describe, expect, it } from 'vitest';
import { contractChanges } from '../../../src/contracts/compatibility.js';
import type {
  ContractSnapshot,
  EntityContract,
  JsonSchema,
  MessageContract,
} from '../../../src/contracts/contract-snapshot.js';

const base = { type: 'object', properties: { sku: { type: 'string' }, count: { type: 'integer' } }, required: ['sku'] };
const withField = (field: JsonSchema): JsonSchema => ({ type: 'object', properties: { a: field }, required: ['a'] });

const kind = (name: string): JsonSchema => ({
  type: 'object',
  properties: { kind: { const: name } },
  required: ['kind'],
});

function snapshot(
  message: Partial<MessageContract> | undefined,
  entity: Partial<EntityContract> = {},
): ContractSnapshot {
  const messages = message === undefined ? {} : { Reserve: { kind: 'command' as const, ...message } };
  return { format: 1, entities: { warehouse: { group: 'stock', services: ['s'], messages, ...entity } } };
}

function told(before: ContractSnapshot, after: ContractSnapshot): string[] {
  return contractChanges(before, after).map(
    ({ breaking, message, in: part, path, text }) =>
      `${breaking ? 'BREAKS' : 'fine'} ${[message, part, path].filter((each) => each !== undefined).join(' ')}: ${text}`,
  );
}

const payload = (before: JsonSchema | undefined, after: JsonSchema | undefined): string[] =>
  told(snapshot({ schema: before }), snapshot({ schema: after }));
const reply = (before: JsonSchema | undefined, after: JsonSchema | undefined): string[] =>
  told(snapshot({ replySchema: before }), snapshot({ replySchema: after }));

describe('types and messages', () => {
  it.each<[string, ContractSnapshot, ContractSnapshot, string[]]>([
    ['nothing changed', snapshot({}), snapshot({}), []],
    ['a type is gone', snapshot({}), { format: 1, entities: {} }, ['BREAKS : the entity type is gone']],
    ['a type is new', { format: 1, entities: {} }, snapshot({}), ['fine : the entity type is new']],
    ['a message is gone', snapshot({}), snapshot(undefined), ['BREAKS Reserve: the message is gone']],
    ['a message is new', snapshot(undefined), snapshot({}), ['fine Reserve: the message is new']],
    [
      'a message is gone, but any name is taken',
      snapshot({}),
      snapshot(undefined, { takesAnyName: true }),
      ['fine : it takes messages of any name', 'fine Reserve: the message is taken among those of any name'],
    ],
    [
      'any name was taken',
      snapshot({}, { takesAnyName: true }),
      snapshot({}),
      ['BREAKS : it no longer takes messages of any name'],
    ],
    ['the kind', snapshot({}), snapshot({ kind: 'query' }), ['BREAKS Reserve: it is a query instead of a command']],
    ['the group', snapshot({}), snapshot({}, { group: 'b' }), ["fine : its service group is 'b' instead of 'stock'"]],
    ['the services', snapshot({}), snapshot({}, { services: ['other'] }), []],
    [
      'another entity id',
      snapshot({ entityIdField: 'a' }),
      snapshot({ entityIdField: 'b' }),
      ["BREAKS Reserve: the entity's id is in the field 'b' instead of 'a'"],
    ],
    ['the same entity id by another way', snapshot({ entityIdField: 'a' }), snapshot({}, { defaultEntityId: 'a' }), []],
    [
      'an entity id where there was none',
      snapshot({}),
      snapshot({ entityIdField: 'b' }),
      ["fine Reserve: the entity's id is in the field 'b'"],
    ],
  ])('%s', (_title, before, after, expected) => {
    expect(told(before, after)).toEqual(expected);
  });
});

describe('payloads may only be opened wider', () => {
  it.each<[string, JsonSchema | undefined, JsonSchema | undefined, string[]]>([
    [
      'a new required field',
      base,
      { ...base, properties: { ...base.properties, at: {} }, required: ['sku', 'at'] },
      ["BREAKS Reserve payload: the field 'at' is required"],
    ],
    [
      'a field becomes required',
      base,
      { ...base, required: ['count', 'sku'] },
      ["BREAKS Reserve payload: the field 'count' is required and could be left out before"],
    ],
    [
      'a new optional field',
      base,
      { ...base, properties: { ...base.properties, at: {} } },
      ["fine Reserve payload: there is a new field 'at', which may be left out"],
    ],
    [
      'a field is no longer required',
      base,
      { ...base, required: [] },
      ['fine Reserve payload: it takes more than before (/required/0: "sku" and nothing)'],
    ],
    [
      'fields by pattern are taken no more',
      { type: 'object', patternProperties: { '^x-': {} }, additionalProperties: false },
      { type: 'object', additionalProperties: false },
      ['BREAKS Reserve payload: patternProperties changed, and whether it takes in what it did cannot be told'],
    ],
    [
      'one of several that overlap',
      withField({ type: 'number' }),
      withField({ oneOf: [{ type: 'number' }, { type: 'integer', minimum: 5 }] }),
      ['BREAKS Reserve payload a: oneOf changed, and whether it takes in what it did cannot be told'],
    ],
    [
      'one of several that a field tells apart has one more',
      withField({ oneOf: ['a', 'b'].map(kind) }),
      withField({ oneOf: ['a', 'b', 'c'].map(kind) }),
      [
        'fine Reserve payload: it takes more than before (/properties/a/oneOf/2: nothing and {"type":"object","properties":{"kind":{"const":"c"}},"required":["kind"]})',
      ],
    ],
    ['only words changed', base, { ...base, description: 'Reserves.' }, []],
    ['order changed', withField({ enum: ['a', 'b'] }), withField({ enum: ['b', 'a'] }), []],
    [
      'a narrower type',
      withField({ type: 'number' }),
      withField({ type: 'integer' }),
      ['BREAKS Reserve payload a: number is no longer accepted'],
    ],
    [
      'a wider type',
      withField({ type: 'integer' }),
      withField({ type: 'number' }),
      ['fine Reserve payload: it takes more than before (/properties/a/type/0: "integer" and "number")'],
    ],
    [
      'null is refused',
      withField({ type: ['string', 'null'] }),
      withField({ type: 'string' }),
      ['BREAKS Reserve payload a: null is no longer accepted'],
    ],
    [
      'null in a union is refused',
      withField({ anyOf: [{ type: 'string' }, { type: 'null' }] }),
      withField({ type: 'string' }),
      ['BREAKS Reserve payload a: null is no longer accepted'],
    ],
    [
      'an enum loses a value',
      withField({ enum: ['a', 'b'] }),
      withField({ enum: ['a'] }),
      ['BREAKS Reserve payload a: "b" is no longer accepted'],
    ],
    [
      'an enum gets a value',
      withField({ enum: ['a'] }),
      withField({ enum: ['a', 'b'] }),
      ['fine Reserve payload: it takes more than before (/properties/a/enum/1: nothing and "b")'],
    ],
    [
      'text becomes an enum',
      withField({ type: 'string' }),
      withField({ type: 'string', enum: ['a'] }),
      ['BREAKS Reserve payload a: only "a" is accepted'],
    ],
    [
      'an enum becomes text',
      withField({ enum: ['a'] }),
      withField({ type: 'string' }),
      ['fine Reserve payload: it takes more than before (/properties/a/enum: ["a"] and nothing)'],
    ],
    [
      'a higher minimum',
      withField({ type: 'number', minimum: 1 }),
      withField({ type: 'number', minimum: 2 }),
      ['BREAKS Reserve payload a: minimum is 2, before: 1'],
    ],
    [
      'an exclusive minimum',
      withField({ type: 'number', minimum: 1 }),
      withField({ type: 'number', exclusiveMinimum: 1 }),
      ['BREAKS Reserve payload a: minimum is 1, before: 1'],
    ],
    [
      'a lower minimum',
      withField({ type: 'number', minimum: 2 }),
      withField({ type: 'number', minimum: 1 }),
      ['fine Reserve payload: it takes more than before (/properties/a/minimum: 2 and 1)'],
    ],
    [
      'a shorter text',
      withField({ type: 'string' }),
      withField({ type: 'string', maxLength: 5 }),
      ['BREAKS Reserve payload a: maxLength is 5, before: nothing'],
    ],
    [
      'a pattern',
      withField({ type: 'string' }),
      withField({ type: 'string', pattern: '^a' }),
      ['BREAKS Reserve payload a: pattern is "^a", before: nothing'],
    ],
    [
      'a coarser step',
      withField({ type: 'number', multipleOf: 2 }),
      withField({ type: 'number', multipleOf: 4 }),
      ['BREAKS Reserve payload a: multipleOf is 4, before: 2'],
    ],
    [
      'a finer step',
      withField({ type: 'number', multipleOf: 4 }),
      withField({ type: 'number', multipleOf: 2 }),
      ['fine Reserve payload: it takes more than before (/properties/a/multipleOf: 4 and 2)'],
    ],
    [
      'other fields refused',
      base,
      { ...base, additionalProperties: false },
      ['BREAKS Reserve payload: fields that are not described are no longer accepted'],
    ],
    [
      'a field leaves a closed object',
      { ...base, additionalProperties: false },
      { type: 'object', properties: { sku: { type: 'string' } }, required: ['sku'], additionalProperties: false },
      ["BREAKS Reserve payload: the field 'count' is no longer accepted"],
    ],
    [
      'a field leaves an open object',
      base,
      { type: 'object', properties: { sku: { type: 'string' } }, required: ['sku'] },
      ["fine Reserve payload: the field 'count' is no longer described"],
    ],
    [
      'items',
      withField({ type: 'array', items: { type: 'number' } }),
      withField({ type: 'array', items: { type: 'string' } }),
      ['BREAKS Reserve payload a[]: number is no longer accepted'],
    ],
    [
      'a field of an item',
      withField({ type: 'array', items: base }),
      withField({ type: 'array', items: { ...base, required: ['sku', 'count'] } }),
      ["BREAKS Reserve payload a[]: the field 'count' is required and could be left out before"],
    ],
    [
      'a position of a tuple',
      withField({ type: 'array', prefixItems: [{ type: 'string' }] }),
      withField({ type: 'array', prefixItems: [{ type: 'number' }] }),
      ['BREAKS Reserve payload a[0]: string is no longer accepted'],
    ],
    [
      'values of a record',
      withField({ type: 'object', additionalProperties: { type: 'number' } }),
      withField({ type: 'object', additionalProperties: { type: 'string' } }),
      ['BREAKS Reserve payload a{}: number is no longer accepted'],
    ],
    ['a schema where there was none', undefined, base, ['BREAKS Reserve payload: type is "object", before: nothing']],
    [
      'no schema any more',
      base,
      undefined,
      [
        "fine Reserve payload: the field 'count' is no longer described",
        "fine Reserve payload: the field 'sku' is no longer described",
      ],
    ],
    ['nothing is accepted', base, false, ['BREAKS Reserve payload: nothing is accepted any more']],
    [
      'an alternative is gone',
      { anyOf: [withField({ const: 'x' }), withField({ const: 'y' })] },
      withField({ const: 'x' }),
      ['BREAKS Reserve payload a: "y" is no longer accepted'],
    ],
    [
      'an alternative is new',
      withField({ const: 'x' }),
      { anyOf: [withField({ const: 'y' }), withField({ const: 'x' })] },
      ["fine Reserve payload: the field 'a' is no longer described"],
    ],
    [
      'a reference to the same',
      withField({ type: 'string' }),
      { ...(withField({ $ref: '#/$defs/text' }) as object), $defs: { text: { type: 'string' } } },
      ['fine Reserve payload: it takes more than before (/$defs: nothing and {"text":{"type":"string"}})'],
    ],
    [
      'parts put together',
      { allOf: [base, { required: ['count'] }] },
      { ...base, required: ['sku', 'count'] },
      [
        "fine Reserve payload: there is a new field 'count', which may be left out",
        "fine Reserve payload: there is a new field 'sku', which may be left out",
      ],
    ],
    [
      'a condition',
      base,
      { ...base, not: { required: ['x'] } },
      ['BREAKS Reserve payload: not changed, and whether it takes in what it did cannot be told'],
    ],
  ])('%s', (_title, before, after, expected) => {
    expect(payload(before, after)).toEqual(expected);
  });

  it('compares a tree with a tree', () => {
    const tree = (leaf: JsonSchema): JsonSchema => ({
      $ref: '#/$defs/node',
      $defs: { node: { type: 'object', properties: { leaf, next: { $ref: '#/$defs/node' } }, required: ['leaf'] } },
    });
    expect(payload(tree({ type: 'string' }), tree({ type: ['string', 'null'] }))[0]).toMatch(/^fine/);
    expect(payload(tree({ type: ['string', 'null'] }), tree({ type: 'string' }))).toEqual([
      'BREAKS Reserve payload leaf: null is no longer accepted',
    ]);
  });
});

describe('replies may only be narrowed', () => {
  it.each<[string, JsonSchema | undefined, JsonSchema | undefined, string[]]>([
    [
      'a field is gone',
      { ...base, required: ['sku', 'count'] },
      { type: 'object', properties: { sku: { type: 'string' } }, required: ['sku'] },
      ["BREAKS Reserve reply: the field 'count' is gone"],
    ],
    [
      'a field may be missing',
      { ...base, required: ['sku', 'count'] },
      base,
      ["BREAKS Reserve reply: the field 'count' may be missing"],
    ],
    [
      'a field that could be missing is gone',
      base,
      { type: 'object', properties: { sku: { type: 'string' } }, required: ['sku'] },
      ["fine Reserve reply: the field 'count', which could be missing, is no longer described"],
    ],
    [
      'a new field',
      { ...base, additionalProperties: false },
      { ...base, properties: { ...base.properties, at: {} }, required: ['sku', 'at'], additionalProperties: false },
      ["fine Reserve reply: there is a new field 'at'"],
    ],
    [
      'null',
      withField({ type: 'string' }),
      withField({ type: ['string', 'null'] }),
      ['BREAKS Reserve reply a: it may be null'],
    ],
    [
      'an enum gets a value',
      withField({ enum: ['a'] }),
      withField({ enum: ['a', 'b'] }),
      ['BREAKS Reserve reply a: it may be "b"'],
    ],
    [
      'an enum loses a value',
      withField({ enum: ['a', 'b'] }),
      withField({ enum: ['a'] }),
      ['fine Reserve reply: it promises more than before (/properties/a/enum/1: "b" and nothing)'],
    ],
    [
      'an alternative is new',
      withField({ const: 'x' }),
      { anyOf: [withField({ const: 'x' }), withField({ const: 'y' })] },
      ['BREAKS Reserve reply a: it may be "y"'],
    ],
    [
      'a lower minimum',
      withField({ type: 'number', minimum: 1 }),
      withField({ type: 'number' }),
      ['BREAKS Reserve reply a: minimum is nothing, before: 1'],
    ],
    ['no schema any more', base, undefined, ['BREAKS Reserve reply: type is nothing, before: "object"']],
    [
      'a schema where there was none',
      undefined,
      base,
      ["fine Reserve reply: there is a new field 'count'", "fine Reserve reply: there is a new field 'sku'"],
    ],
  ])('%s', (_title, before, after, expected) => {
    expect(reply(before, after)).toEqual(expected);
  });
});
