/** A small contract, as a service with schemas publishes it. */
import type {
  ContractSnapshot,
  EntityContract,
  JsonSchema,
  MessageContract,
} from '../../../../src/contracts/contract-snapshot.js';

export function snapshotOf(
  messages: Readonly<Record<string, MessageContract>>,
  entity: Partial<EntityContract> = {},
  entityType = 'warehouse',
): ContractSnapshot {
  return {
    format: 1,
    entities: { [entityType]: { group: 'stock', services: ['warehouse-service'], messages, ...entity } },
  };
}

export const WAREHOUSE: ContractSnapshot = snapshotOf({
  ReserveStockCommand: {
    kind: 'command',
    entityIdField: 'sku',
    schema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: {
        sku: { type: 'string', description: 'Which article' },
        quantity: { type: 'integer', exclusiveMinimum: 0 },
        priority: { type: 'string', enum: ['now', 'later'] },
      },
      required: ['sku', 'quantity'],
    },
    replySchema: {
      type: 'object',
      properties: { left: { type: 'integer' } },
      required: ['left'],
      additionalProperties: false,
    },
  },
});

/** A contract of many types with ten messages each, of the size that services have. */
export function largeSnapshot(types: number, messagesEach: number): ContractSnapshot {
  const schema = (n: number): JsonSchema => ({
    type: 'object',
    description: `Payload ${n}`,
    properties: {
      id: { type: 'string' },
      ...Object.fromEntries(Array.from({ length: 7 }, (_, field) => [`field${field}`, { type: 'string' }])),
      address: { type: 'object', properties: { street: { type: 'string' }, zip: { type: 'string' } } },
      state: { anyOf: [{ enum: ['open', 'closed'] }, { type: 'null' }] },
    },
    required: ['id', 'field1'],
  });
  const messages = Object.fromEntries(
    Array.from({ length: messagesEach }, (_, n): [string, MessageContract] => [
      `ChangeSomething${n}Command`,
      { kind: 'command', entityIdField: 'id', schema: schema(n), replySchema: schema(n) },
    ]),
  );
  return {
    format: 1,
    entities: Object.fromEntries(
      Array.from({ length: types }, (_, n) => [`entity-${n}`, { group: 'all', services: ['one'], messages }]),
    ),
  };
}
