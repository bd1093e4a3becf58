/** A JSON Schema in one short line, for people: `{ sku: string, quantity?: integer }`. Strange ones are cut short. */
import type { JsonSchema } from './contract-snapshot.js';
import { printable } from './printable.js';

const DEPTH_MAX = 4;
const FIELDS_MAX = 20;
const ALTERNATIVES_MAX = 8;
const NAME_LENGTH_MAX = 60;

type Fields = Readonly<Record<string, unknown>>;

export function schemaText(schema: JsonSchema | undefined): string {
  return schema === undefined ? 'anything' : textOf(schema, 0);
}

function textOf(schema: unknown, depth: number): string {
  if (schema === true) return 'anything';
  if (schema === false) return 'nothing';
  if (typeof schema !== 'object' || schema === null || depth > DEPTH_MAX) return '…';
  const { type, properties, items, enum: values, anyOf, oneOf, $ref, additionalProperties } = schema as Fields;
  if (Object.hasOwn(schema, 'const')) return valueText((schema as Fields)['const']);
  if (Array.isArray(values)) return alternatives(values.map(valueText));
  if (typeof $ref === 'string') return clean($ref.split('/').at(-1) || '#');
  if (Array.isArray(anyOf)) return alternatives(anyOf.map((each) => textOf(each, depth + 1)));
  if (Array.isArray(oneOf)) return alternatives(oneOf.map((each) => textOf(each, depth + 1)));
  if (Array.isArray(type)) return alternatives(type.map(String));
  if (type === 'array') return `${items === undefined ? 'anything' : textOf(items, depth + 1)}[]`;
  if (type === 'object' || (type === undefined && properties !== undefined)) {
    if (typeof properties === 'object' && properties !== null) return objectText(schema as Fields, depth);
    if (typeof additionalProperties === 'object') return `{ [key]: ${textOf(additionalProperties, depth + 1)} }`;
    return 'object';
  }
  return typeof type === 'string' ? type : 'anything';
}

function objectText({ properties, required }: Fields, depth: number): string {
  const entries = Object.entries(properties as Fields);
  const needed = new Set(Array.isArray(required) ? required : []);
  const fields = entries
    .slice(0, FIELDS_MAX)
    .map(([name, schema]) => `${clean(name)}${needed.has(name) ? '' : '?'}: ${textOf(schema, depth + 1)}`);
  if (entries.length > FIELDS_MAX) fields.push('…');
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
}

function alternatives(texts: readonly string[]): string {
  const shown = texts.slice(0, ALTERNATIVES_MAX);
  return (texts.length > ALTERNATIVES_MAX ? [...shown, '…'] : shown).join(' | ');
}

function valueText(value: unknown): string {
  return clean(JSON.stringify(value) ?? 'undefined');
}

/** Names come from other processes: nothing in them may move a terminal's cursor. */
function clean(text: string): string {
  const cut = text.length > NAME_LENGTH_MAX ? `${text.slice(0, NAME_LENGTH_MAX)}…` : text;
  return printable(cut);
}
