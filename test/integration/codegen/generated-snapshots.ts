/** Snapshots as services could publish them, with schemas that use every keyword in every mixture. */
import fc from 'fast-check';
import type {
  ContractSnapshot,
  EntityContract,
  JsonSchema,
  MessageContract,
} from '../../../src/contracts/contract-snapshot.js';
import { entityTypeFault, wireNameFault } from '../../../src/runtime/name-rule.js';
import { hostileName } from '../../unit/contracts/codegen/hostile-names.js';

const characters = 'abcxyzABCXYZ019_.-'.split('');
const plainName = fc.oneof(
  fc.constantFrom(
    'Reserve',
    'ReserveData',
    'ReserveReply',
    'reserve',
    'Reserve_',
    'x',
    'X',
    '1',
    '-',
    'Date',
    'Reply',
    'type',
  ),
  fc.string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength: 128, size: 'max' }),
);
const entityType = plainName.filter((name) => entityTypeFault(name) === undefined);
const wireName = plainName.filter((name) => wireNameFault(name) === undefined);

/** Mostly names that people choose, of all lengths, so that lines of all lengths come about. */
const fieldName = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.string({
      unit: fc.constantFrom(...'abcdefXYZ_'.split('')),
      minLength: 1,
      maxLength: 90,
      size: 'max',
    }),
  },
  { weight: 2, arbitrary: fc.constantFrom('id', 'name', 'kind', 'a b', 'class', 'toString', 'then', '1', "it's") },
  { weight: 1, arbitrary: hostileName },
);
const value = fc.oneof(
  hostileName,
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.constant([]),
  fc.constant({}),
);

const { schema } = fc.letrec<{ schema: JsonSchema }>((tie) => {
  const list = fc.array(tie('schema'), { minLength: 1, maxLength: 4 });
  const fields = fc
    .array(fc.tuple(fieldName, tie('schema')), { maxLength: 6 })
    .map((entries) => Object.fromEntries(entries));
  const keyword = (name: string, of: fc.Arbitrary<unknown>): fc.Arbitrary<JsonSchema> =>
    of.map((it) => ({ [name]: it }));
  return {
    schema: fc.oneof(
      { maxDepth: 5, depthIdentifier: 'schema' },
      fc.constantFrom<JsonSchema>(
        true,
        false,
        {},
        { type: 'string' },
        { type: 'integer' },
        { type: 'null' },
        { type: 'nonsense' },
      ),
      keyword('enum', fc.array(value, { maxLength: 12 })),
      keyword('const', value),
      keyword(
        'type',
        fc.uniqueArray(fc.constantFrom('string', 'number', 'boolean', 'null', 'array', 'object'), { minLength: 1 }),
      ),
      keyword(
        '$ref',
        fc.constantFrom('#', '#/$defs/a', '#/$defs/b', '#/$defs/nowhere', 'https://example.com/x', '#/%'),
      ),
      keyword('anyOf', list),
      keyword('oneOf', list),
      keyword('allOf', list),
      keyword('items', tie('schema')),
      fc.record({ prefixItems: list, items: tie('schema'), minItems: fc.nat(4) }, { requiredKeys: ['prefixItems'] }),
      fc
        .record(
          {
            type: fc.constantFrom<unknown>('object', ['object', 'null']),
            description: hostileName,
            properties: fields,
            required: fc.array(fieldName, { maxLength: 3 }),
            additionalProperties: tie('schema'),
            anyOf: list,
            deprecated: fc.boolean(),
          },
          { requiredKeys: ['type', 'properties'] },
        )
        .map((each): JsonSchema => each),
    ),
  };
});

const rootSchema = fc
  .tuple(schema, schema, schema)
  .map(([root, a, b]): JsonSchema => (typeof root === 'object' ? { ...root, $defs: { a, b } } : root));

const message: fc.Arbitrary<MessageContract> = fc.record(
  {
    kind: fc.constantFrom<'command' | 'query'>('command', 'query'),
    schema: rootSchema,
    replySchema: rootSchema,
    entityIdField: fieldName,
  },
  { requiredKeys: ['kind'] },
);

const entity: fc.Arbitrary<EntityContract> = fc.record(
  {
    group: fc.constant('group'),
    services: fc.array(fc.constantFrom('one', 'two', 'three'), { maxLength: 3 }),
    messages: fc.dictionary(wireName, message, { maxKeys: 6 }),
    takesAnyName: fc.boolean(),
    defaultEntityId: fieldName,
  },
  { requiredKeys: ['group', 'services', 'messages'] },
);

export const anySnapshot: fc.Arbitrary<ContractSnapshot> = fc
  .dictionary(entityType, entity, { maxKeys: 4, noNullPrototype: true })
  .map((entities) => ({ format: 1, entities }));
