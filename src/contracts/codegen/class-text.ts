/**
 * One message as a class that can be sent: the decorators that carry its entity type, its wire name and its kind, the
 * fields of its payload, and a constructor that takes them as one object. Its reply is inferred from `extends Reply<R>`.
 */
import { type Field, word } from './declaration.js';
import type { MessageModel } from './entity-model.js';
import { memberAccess, stringLiteral } from './source-text.js';
import { commentLines, declarationLines, fieldLines, fits } from './type-text.js';

export function messageLines(entityType: string, message: MessageModel, imports: Set<string>): string[] {
  const lines = message.declarations.flatMap((declaration) => [...declarationLines(declaration, ''), '']);
  if (message.data.shape === 'none') {
    const call = `queueBus.enqueue('${entityType}', '${message.wireName}', entityId, payload)`;
    return [
      ...commentLines([`The ${message.kind} ${message.wireName} carries no object, so it has no class: ${call}.`], ''),
      ...lines,
    ];
  }
  return [...lines, ...classLines(entityType, message, imports)];
}

function classLines(entityType: string, message: MessageModel, imports: Set<string>): string[] {
  const { wireName, kind, className, replyName, idField } = message;
  const mark = kind === 'command' ? 'JobCommand' : 'JobQuery';
  for (const name of ['EntityType', mark, 'QueueEntityId', 'Reply']) imports.add(name);
  return [
    ...commentLines([`The ${kind} '${wireName}' of '${entityType}'.`], ''),
    ...entityTypeLines(stringLiteral(entityType), stringLiteral(wireName)),
    `@${mark}()`,
    `export class ${className} extends Reply<${replyName ?? 'unknown'}> {`,
    ...(idField === undefined ? bodyWithGivenId(message) : bodyWithIdField(message, idField)),
    '}',
    '',
  ];
}

function entityTypeLines(type: string, name: string): string[] {
  const line = `@EntityType(${type}, { name: ${name} })`;
  if (fits(line)) return [line];
  if (fits(`@EntityType(${type}, {`)) return [`@EntityType(${type}, {`, `  name: ${name},`, '})'];
  const options = `  { name: ${name} },`;
  const broken = fits(options) ? [options] : ['  {', `    name: ${name},`, '  },'];
  return ['@EntityType(', `  ${type},`, ...broken, ')'];
}

function bodyWithIdField({ data }: MessageModel, idField: string): string[] {
  if (data.shape !== 'fields') {
    const field = { name: idField, type: word('string'), optional: false };
    return [
      '  @QueueEntityId()',
      ...fieldLines(field, 'readonly ', '  ').map((line) => line.replace(/: string;$/, '!: string;')),
      '',
      ...constructorLines([`data: ${objectType(data)}`], ['Object.assign(this, data);']),
    ];
  }
  const fields = classFields(data).flatMap((field) => {
    const lines = fieldLines(field, 'readonly ', '  ');
    return field.name === idField ? ['  @QueueEntityId()', ...lines] : lines;
  });
  return [...fields, '', ...constructorLines([dataParameter(data)], assignments(data))];
}

/** The payload does not hold the id, so it is given beside it and does not travel in it. */
function bodyWithGivenId({ data }: MessageModel): string[] {
  const fields = classFields(data).flatMap((field) => fieldLines(field, 'readonly ', '  '));
  const taken = new Set(data.fields.map(({ name }) => name));
  let id = 'entityId';
  while (taken.has(id)) id = `${id}_`;
  const parameter = data.shape === 'fields' ? dataParameter(data) : `data: ${objectType(data)}`;
  const body = data.shape === 'fields' ? assignments(data) : ['Object.assign(this, data);'];
  return [
    ...fields,
    '  /** Which entity the message is for. It is not part of the payload. */',
    '  @QueueEntityId()',
    `  readonly ${id}!: string;`,
    '',
    // A field that cannot be listed does not travel.
    ...constructorLines(
      ['entityId: string', parameter],
      [`Object.defineProperty(this, ${stringLiteral(id)}, { value: entityId, enumerable: false });`, ...body],
    ),
  ];
}

function objectType({ name, shape }: MessageModel['data']): string {
  return shape === 'mixed' ? `${name} & object` : name;
}

function dataParameter({ name, fields, others }: MessageModel['data']): string {
  const isUsed = fields.length > 0 || others;
  const canBeLeftOut = fields.every(({ optional }) => optional);
  return `${isUsed ? 'data' : '_data'}: ${name}${canBeLeftOut ? ' = {}' : ''}`;
}

/** Their comments stand on the interface. What every object has, such as `toString`, is not declared anew. */
function classFields({ fields }: MessageModel['data']): Field[] {
  return fields
    .filter(({ name }) => !(name in Object.prototype))
    .map((field) => ({ ...field, description: undefined, deprecated: false }));
}

function assignments(data: MessageModel['data']): string[] {
  const fields = classFields(data);
  const lines = data.others || fields.length < data.fields.length ? ['Object.assign(this, data);'] : [];
  for (const { name } of fields) {
    const at = memberAccess(name);
    const line = `this${at} = data${at};`;
    lines.push(...(fits(`    ${line}`) ? [line] : [`this${at} =`, `  data${at};`]));
  }
  return lines;
}

function constructorLines(parameters: readonly string[], body: readonly string[]): string[] {
  const line = `  constructor(${parameters.join(', ')}) {`;
  const head = fits(line) ? [line] : ['  constructor(', ...parameters.map((parameter) => `    ${parameter},`), '  ) {'];
  return [...head, '    super();', ...body.map((each) => `    ${each}`), '  }'];
}
