/** Strings as an enemy would publish them, and snapshots that have them in every place where a string can stand. */
import fc from 'fast-check';
import type { UsableEntity } from '../../../../src/contracts/codegen/usable-contracts.js';
import type { JsonSchema, MessageContract } from '../../../../src/contracts/contract-snapshot.js';

const NASTY = [
  '*/',
  '*/ process.exit(1) /*',
  '/*',
  '//',
  '`',
  '${process.exit(1)}',
  "'",
  '"',
  '\\',
  "\\'",
  "');process.exit(1);('",
  '\n',
  '\r',
  '\u2028',
  '\u2029',
  '\0',
  '\u202e',
  '\u200f',
  '\ufeff',
  '\ud800',
  '\udc00',
  '😀',
  'ß',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'then',
  'toJSON',
  'class',
  'enum',
  'await',
  'default',
  'index',
  'CON',
  'nul',
  '..',
  '.',
  '../../x',
  '..\\..\\x',
  '/etc/passwd',
  'C:\\x',
  '~',
  '@ts-ignore',
  '@ts-nocheck',
  'eslint-disable',
  'biome-ignore lint: x',
  'prettier-ignore',
  '#__PURE__',
  '# sourceMappingURL=x',
  '<script>',
  '</script>',
  '<!--',
  '-->',
  '1',
  '-1',
  '01',
  '1e3',
  'a-b',
  'a.b',
  'a_b',
  'aB',
  'AB',
  'ab',
  'A',
  'a',
  '',
  ' ',
  'Date',
  'Object',
  'Reply',
  'EntityType',
  'DispatchMap',
  'X',
  'XData',
  'XReply',
  'x'.repeat(10_000),
  "'".repeat(300),
  '*/'.repeat(200),
];

const nasty = fc.constantFrom(...NASTY);

export const hostileName: fc.Arbitrary<string> = fc.oneof(
  nasty,
  fc.tuple(nasty, nasty).map(([left, right]) => left + right),
  fc.tuple(nasty, fc.string({ maxLength: 6 }), nasty).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 12 }),
  fc.array(fc.nat(0xffff), { maxLength: 8 }).map((units) => String.fromCharCode(...units)),
);

/** Deals names out to all places of some entity types; each name stands in one place at least. */
export function hostileEntities(names: readonly string[]): UsableEntity[] {
  const left = [...names];
  const next = (): string => left.pop() ?? '';
  const entities: UsableEntity[] = [];
  while (left.length > 0) {
    const messages = new Map<string, MessageContract>();
    const entityType = next();
    const [group, service, defaultEntityId] = [next(), next(), next()];
    for (let message = 0; message < 4 && left.length > 0; message++) {
      const idField = message % 2 === 0 ? next() : undefined;
      messages.set(next(), {
        kind: message % 2 === 0 ? 'command' : 'query',
        schema: hostileSchema(next),
        replySchema: message === 3 ? true : hostileSchema(next),
        entityIdField: idField,
      });
    }
    const contract = {
      group,
      services: [service],
      messages: Object.fromEntries(messages),
      ...(entities.length % 2 === 0 && { defaultEntityId, takesAnyName: true }),
    };
    if (entities.every((entity) => entity.entityType !== entityType)) {
      entities.push({ entityType, contract, messages: [...messages] });
    }
  }
  return entities.sort((one, other) => (one.entityType < other.entityType ? -1 : 1));
}

function hostileSchema(next: () => string): JsonSchema {
  const definition = next();
  const [first, second] = [next(), next()];
  return {
    title: next(),
    description: next(),
    type: 'object',
    properties: record([
      [first, { type: 'string', description: next() }],
      [second, { enum: [next(), next(), 1, null] }],
      [next(), { anyOf: [{ title: next(), type: 'object', properties: record([[next(), { const: next() }]]) }, {}] }],
      ['ref', { $ref: `#/$defs/${definition.replaceAll('~', '~0').replaceAll('/', '~1')}` }],
    ]),
    required: [first, next()],
    additionalProperties: { type: next() },
    $defs: record([[definition, { type: ['object', next()], properties: record([[next(), true]]) }]]),
  };
}

/** Unlike in an object literal, `__proto__` is a field like any other. */
function record(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries);
}
