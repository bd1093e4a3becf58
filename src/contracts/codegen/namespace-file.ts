/**
 * The file of `generate --ts`: a namespace of types for each entity type, and `DispatchMap`, which leads from entity type
 * and message name to kind, payload and reply, for callers who send by name.
 */
import { type EntityModel, entityModel, type MessageModel } from './entity-model.js';
import type { GeneratedFile } from './generated-file.js';
import { headerLines } from './header.js';
import { identifierOf, namesFor } from './names.js';
import { propertyKey } from './source-text.js';
import { commentLines, declarationLines, fits } from './type-text.js';
import type { UsableEntity } from './usable-contracts.js';

export const NAMESPACE_FILE = 'contracts.ts';

/** The helpers that make the map usable on a `QueueBus`. */
const DISPATCH_LINES = [
  'export type DispatchType = keyof DispatchMap;',
  '',
  'export type DispatchName<T extends DispatchType> = keyof DispatchMap[T] & string;',
  '',
  '/** The shape of a call by names that is checked: what `enqueueAndWait(type, name, id, payload)` takes and answers. */',
  'export type Dispatch = <T extends DispatchType, N extends DispatchName<T>>(',
  '  entityType: T,',
  '  name: N,',
  '  entityId: string,',
  '  payload: DispatchMap[T][N] extends { data: infer D } ? D : never,',
  ') => Promise<DispatchMap[T][N] extends { reply: infer R } ? R : never>;',
];

export function namespaceFile(entities: readonly UsableEntity[]): GeneratedFile {
  const models = entities.map(entityModel).filter(({ messages }) => messages.length > 0);
  const names = namesFor(
    models.map(({ entityType }) => entityType),
    (entityType) => identifierOf(entityType, 'Entity'),
    '_',
  );
  const nameOf = ({ entityType }: EntityModel): string => names.get(entityType) ?? 'Entity';
  const lines = [
    ...headerLines('ts'),
    ...models.flatMap((model) => [...namespaceLines(nameOf(model), model), '']),
    '/** By entity type and message name. */',
    ...(models.length === 0 ? ['export type DispatchMap = Record<never, never>;'] : mapLines(models, nameOf)),
    '',
    ...DISPATCH_LINES,
  ];
  return { path: NAMESPACE_FILE, text: `${lines.join('\n')}\n` };
}

function namespaceLines(name: string, { entityType, messages, takesAnyName }: EntityModel): string[] {
  const blocks = messages.flatMap(({ declarations }) =>
    declarations.map((declaration) => declarationLines(declaration, '  ')),
  );
  const others = takesAnyName ? 'It takes messages of other names as well.' : undefined;
  return [
    ...commentLines([`Messages of the entity type '${entityType}'.`, others], ''),
    `export namespace ${name} {`,
    ...blocks.flatMap((block, index) => (index === 0 ? block : ['', ...block])),
    '}',
  ];
}

function mapLines(models: readonly EntityModel[], nameOf: (model: EntityModel) => string): string[] {
  return [
    'export interface DispatchMap {',
    ...models.flatMap((model) => [
      `  ${propertyKey(model.entityType)}: {`,
      ...model.messages.flatMap((message) => entryLines(nameOf(model), message)),
      '  };',
    ]),
    '}',
  ];
}

function entryLines(namespace: string, { wireName, kind, data, replyName }: MessageModel): string[] {
  const reply = replyName === undefined ? 'unknown' : `${namespace}.${replyName}`;
  const parts = [`kind: '${kind}'`, `data: ${namespace}.${data.name}`, `reply: ${reply}`];
  const line = `    ${propertyKey(wireName)}: { ${parts.join('; ')} };`;
  if (fits(line)) return [line];
  return [`    ${propertyKey(wireName)}: {`, ...parts.map((part) => `      ${part};`), '    };'];
}
