/** The files of `generate --classes`: one for each entity type, and `index.ts`, which exports all of them. */
import { messageLines } from './class-text.js';
import type { Declaration } from './declaration.js';
import { type EntityModel, entityModel } from './entity-model.js';
import { compareNaturally } from './export-order.js';
import type { GeneratedFile } from './generated-file.js';
import { headerLines } from './header.js';
import { fileNameOf, Identifiers, identifierOf, namesFor } from './names.js';
import { fits } from './type-text.js';
import type { UsableEntity } from './usable-contracts.js';

interface EntityFile {
  /** Without its ending. */
  readonly name: string;
  readonly model: EntityModel;
  readonly exports: readonly Export[];
}

interface Export {
  readonly name: string;
  readonly isType: boolean;
}

export function classFiles(entities: readonly UsableEntity[]): GeneratedFile[] {
  const models = entities.map(entityModel).filter(({ messages }) => messages.length > 0);
  const fileNames = namesFor(
    models.map(({ entityType }) => entityType),
    fileNameOf,
    '-',
  );
  const files = models
    .map((model) => ({ name: fileNames.get(model.entityType) ?? 'entity', model, exports: exportsOf(model) }))
    .sort((left, right) => compareNaturally(left.name, right.name));
  return [
    ...files.map(({ name, model }) => ({ path: `${name}.ts`, text: textOf(entityLines(model)) })),
    { path: 'index.ts', text: textOf(barrelLines(files)) },
  ];
}

function entityLines(model: EntityModel): string[] {
  const imports = new Set<string>();
  const body = model.messages.flatMap((message) => messageLines(model.entityType, message, imports));
  const names = ['EntityType', 'JobCommand', 'JobQuery', 'QueueEntityId', 'Reply'].filter((name) => imports.has(name));
  const about = model.takesAnyName
    ? ['// The entity type takes messages of other names as well: send those by name.', '']
    : [];
  const head = names.length === 0 ? [] : [`import { ${names.join(', ')} } from 'atomic-queues/core';`, ''];
  return [...headerLines('classes'), ...about, ...head, ...body];
}

function exportsOf({ messages }: EntityModel): Export[] {
  return messages.flatMap(({ className, data, declarations }) => [
    ...declarations.map(({ name }: Declaration) => ({ name, isType: true })),
    ...(data.shape === 'none' ? [] : [{ name: className, isType: false }]),
  ]);
}

/** Everything, except that a name which several files have is exported under the name of its type as well. */
function barrelLines(files: readonly EntityFile[]): string[] {
  const counts = new Map<string, number>();
  for (const { exports } of files) for (const { name } of exports) counts.set(name, (counts.get(name) ?? 0) + 1);
  const isShared = (name: string): boolean => (counts.get(name) ?? 0) > 1;
  const names = new Identifiers([...counts.keys()].filter((name) => !isShared(name)));
  const lines = files.flatMap(({ name, model, exports }) => {
    if (!exports.some((each) => isShared(each.name))) return [`export * from './${name}.js';`];
    const prefix = identifierOf(model.entityType, 'Entity');
    const items = exports
      .map((each) => ({
        sortKey: each.name,
        text: `${each.isType ? 'type ' : ''}${each.name}${isShared(each.name) ? ` as ${names.take(prefix + each.name)}` : ''}`,
      }))
      .sort((left, right) => compareNaturally(left.sortKey, right.sortKey))
      .map(({ text }) => text);
    const line = `export { ${items.join(', ')} } from './${name}.js';`;
    return fits(line) ? [line] : ['export {', ...items.map((item) => `  ${item},`), `} from './${name}.js';`];
  });
  return [...headerLines('classes'), ...(lines.length === 0 ? ['export {};'] : lines), ''];
}

function textOf(lines: readonly string[]): string {
  return `${lines.join('\n').trimEnd()}\n`;
}
