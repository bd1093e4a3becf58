/**
 * Declarations as lines of code, laid out as Biome does it at 120 columns with single quotes: a type that does not fit on
 * its line is broken in the one way in which a formatter would break it.
 */
import type { Atom, Body, Declaration, Field, Simple, TypeNode } from './declaration.js';
import { commentWords, propertyKey, stringLiteral } from './source-text.js';

const WIDTH = 120;

/** Whether `line` needs no breaking. */
export function fits(line: string): boolean {
  return line.length <= WIDTH;
}

/** The lines of `export interface …` or `export type …`. */
export function declarationLines({ name, description, body }: Declaration, indent: string): string[] {
  return [...commentLines([description], indent), ...bodyLines(name, body, indent)];
}

/** A comment of these paragraphs, each on its line; no lines when there is nothing to say. */
export function commentLines(
  paragraphs: readonly (string | undefined)[],
  indent: string,
  tags: string[] = [],
): string[] {
  const words = paragraphs.flatMap((text) => (text === undefined ? [] : (commentWords(text) ?? [])));
  const lines = [...words, ...tags];
  const [first, ...rest] = lines;
  if (first === undefined) return [];
  if (rest.length === 0) return [`${indent}/** ${first} */`];
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`];
}

/** A field of an interface or a class: `head` is everything before its name. */
export function fieldLines(field: Field, head: string, indent: string): string[] {
  const mark = field.optional ? '?' : '';
  return [
    ...commentLines([field.description], indent, field.deprecated === true ? ['@deprecated'] : []),
    ...typeLines(`${indent}${head}${propertyKey(field.name)}${mark}:`, field.type, indent),
  ];
}

function bodyLines(name: string, body: Body, indent: string): string[] {
  const lead = `${indent}export type ${name} =`;
  switch (body.kind) {
    case 'interface':
      return [`${indent}export interface ${name} {`, ...memberLines(body, `${indent}  `), `${indent}}`];
    case 'alias':
      return aliasLines(lead, body.type, indent);
    case 'tuple': {
      const items = body.items.map(({ type, optional }) => `${atomText(type)}${optional ? '?' : ''}`);
      if (body.rest !== undefined) items.push(`...${atomText(body.rest)}[]`);
      const line = `${lead} readonly [${items.join(', ')}];`;
      if (fits(line)) return [line];
      const lines = items.map((item) => `${indent}  ${item},`);
      return [`${lead} readonly [`, ...lines, `${indent}];`];
    }
    case 'intersection': {
      const [first = '', ...rest] = body.members.map(atomText);
      const line = `${lead} ${[first, ...rest].join(' & ')};`;
      if (fits(line)) return [line];
      const broken = (inner: string): string[] =>
        rest.map((member, index) => `${inner}${member}${index === rest.length - 1 ? ';' : ' &'}`);
      if (fits(`${lead} ${first} &`)) return [`${lead} ${first} &`, ...broken(`${indent}  `)];
      const below = `${indent}  ${[first, ...rest].join(' & ')};`;
      return fits(below) ? [lead, below] : [lead, `${indent}  ${first} &`, ...broken(`${indent}    `)];
    }
  }
}

function memberLines(body: Extract<Body, { kind: 'interface' }>, indent: string): string[] {
  const lines = body.fields.flatMap((field) => fieldLines(field, 'readonly ', indent));
  const index = `${indent}readonly [key: string]:`;
  if (body.others !== undefined) lines.push(...typeLines(index, body.others, indent));
  // Without this, everything could be taken for the empty object.
  else if (lines.length === 0) lines.push(`${index} never;`);
  return lines;
}

function typeLines(lead: string, type: TypeNode, indent: string): string[] {
  const line = `${lead} ${typeText(type)};`;
  return type.kind !== 'union' || fits(line) || staysTogether(type.members)
    ? [line]
    : unionLines(lead, type.members, indent);
}

function aliasLines(lead: string, type: TypeNode, indent: string): string[] {
  const line = `${lead} ${typeText(type)};`;
  if (fits(line)) return [line];
  if (type.kind === 'union' && !staysTogether(type.members)) return unionLines(lead, type.members, indent);
  return [lead, `${indent}  ${typeText(type)};`];
}

function unionLines(lead: string, members: readonly Simple[], indent: string): string[] {
  const lines = members.map((member) => `${indent}  | ${simpleText(member)}`);
  return [lead, ...lines.slice(0, -1), `${lines.at(-1)};`];
}

/** A name that may be null is never broken. */
function staysTogether([first, second, third]: readonly Simple[]): boolean {
  return third === undefined && first?.kind === 'ref' && second?.kind === 'word' && second.word === 'null';
}

function typeText(type: TypeNode): string {
  return type.kind === 'union' ? type.members.map(simpleText).join(' | ') : simpleText(type);
}

function simpleText(type: Simple): string {
  return type.kind === 'array' ? `readonly ${atomText(type.item)}[]` : atomText(type);
}

function atomText(type: Atom): string {
  switch (type.kind) {
    case 'word':
      return type.word;
    case 'ref':
      return type.name;
    case 'literal':
      if (typeof type.value === 'string') return stringLiteral(type.value);
      return String(type.value).replace('e+', 'e');
  }
}
