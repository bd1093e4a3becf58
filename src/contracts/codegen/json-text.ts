/**
 * Data as JSON text that is the same for the same data, whatever order its fields came in, and laid out as formatters
 * leave it: objects broken, lists on one line where they fit. Only ASCII.
 */
import { jsonLiteral } from './source-text.js';

const WIDTH = 120;
/** More levels than any schema that the registry lets in. */
const DEPTH_MAX = 200;

export function jsonText(value: unknown): string {
  const out: string[] = [];
  write(value, '', 0, '', out);
  return `${out.join('\n')}\n`;
}

/** Adds the lines of a value. `before` is what stands on the first line already, `after` what ends the last one. */
function write(value: unknown, before: string, depth: number, after: string, out: string[]): void {
  const indent = ' '.repeat(2 * depth);
  if (depth > DEPTH_MAX) out.push(`${before}null${after}`);
  else if (Array.isArray(value)) {
    const short = isBroken(value) ? undefined : flat(value, depth);
    const line = `${before}${short}${after}`;
    if (short !== undefined && line.length <= WIDTH) {
      out.push(line);
      return;
    }
    out.push(`${before}[`);
    if (value.length > 1 && value.every((item) => typeof item === 'number')) {
      out.push(...filled(value.map(scalar), `${indent}  `));
    } else {
      for (const [index, item] of value.entries()) {
        write(item, `${indent}  `, depth + 1, index === value.length - 1 ? '' : ',', out);
      }
    }
    out.push(`${indent}]${after}`);
  } else if (typeof value === 'object' && value !== null) {
    const fields = sortedFields(value);
    if (fields.length === 0) {
      out.push(`${before}{}${after}`);
      return;
    }
    out.push(`${before}{`);
    for (const [index, [name, field]] of fields.entries()) {
      const key = `${indent}  ${jsonLiteral(name)}: `;
      write(field, key, depth + 1, index === fields.length - 1 ? '' : ',', out);
    }
    out.push(`${indent}}${after}`);
  } else out.push(before + scalar(value) + after);
}

/** As many numbers on a line as fit. */
function filled(items: readonly string[], indent: string): string[] {
  const all: string[] = [];
  let line = indent;
  for (const [index, item] of items.entries()) {
    const text = index === items.length - 1 ? item : `${item},`;
    if (line === indent) line += text;
    else if (line.length + 1 + text.length <= WIDTH) line += ` ${text}`;
    else {
      all.push(line);
      line = indent + text;
    }
  }
  return [...all, line];
}

/** Whether the list holds something that is broken whatever its length. */
function isBroken(items: readonly unknown[]): boolean {
  return (
    items.some((item) => typeof item === 'object' && item !== null && !Array.isArray(item) && !isEmpty(item)) ||
    items.some((item) => Array.isArray(item) && isBroken(item)) ||
    (items.length > 1 && items.every((item) => Array.isArray(item) && item.length > 1))
  );
}

function isEmpty(item: object): boolean {
  return sortedFields(item).length === 0;
}

/** On one line; undefined where that cannot be. */
function flat(value: unknown, depth: number): string | undefined {
  if (depth > DEPTH_MAX) return undefined;
  if (Array.isArray(value)) {
    const items = value.map((item) => flat(item, depth + 1));
    return items.includes(undefined) ? undefined : `[${items.join(', ')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const fields = sortedFields(value).map(([name, field]) => `${jsonLiteral(name)}: ${flat(field, depth + 1)}`);
    return `{${fields.join(', ')}}`;
  }
  return scalar(value);
}

function sortedFields(value: object): [string, unknown][] {
  return Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1));
}

function scalar(value: unknown): string {
  if (typeof value === 'string') return jsonLiteral(value);
  if (typeof value === 'number') return JSON.stringify(value).replace('e+', 'e');
  return typeof value === 'boolean' ? String(value) : 'null';
}
