/**
 * TypeScript types as data: what the reader of schemas makes and the printer prints. A type is flat. Whatever has parts of
 * its own is a declaration with a name, so no line of code nests and each can be laid out as formatters do it.
 */

export type Word = 'unknown' | 'never' | 'string' | 'number' | 'boolean' | 'null' | 'undefined';

export type Atom =
  | { readonly kind: 'word'; readonly word: Word }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'ref'; readonly name: string };

export type Simple = Atom | { readonly kind: 'array'; readonly item: Atom };

export type TypeNode = Simple | { readonly kind: 'union'; readonly members: readonly Simple[] };

export interface Field {
  readonly name: string;
  readonly type: TypeNode;
  readonly optional: boolean;
  /** The words of its comment, as they came. */
  readonly description?: string | undefined;
  readonly deprecated?: boolean | undefined;
}

export type Body =
  | {
      readonly kind: 'interface';
      /** By name. */
      readonly fields: readonly Field[];
      /** The type of fields of any other name; undefined: there are none. */
      readonly others?: TypeNode | undefined;
    }
  | { readonly kind: 'alias'; readonly type: TypeNode }
  | {
      readonly kind: 'tuple';
      readonly items: readonly { readonly type: Atom; readonly optional: boolean }[];
      readonly rest?: Atom | undefined;
    }
  | { readonly kind: 'intersection'; readonly members: readonly Atom[] };

export interface Declaration {
  readonly name: string;
  readonly description?: string | undefined;
  readonly body: Body;
}

/** More members than anyone reads: the union becomes the type that they have in common. */
const UNION_MAX = 200;
/** Longer strings become `string`. */
const LITERAL_LENGTH_MAX = 80;

export function word(text: Word): Atom {
  return { kind: 'word', word: text };
}

export const UNKNOWN: Atom = word('unknown');

/** The type of exactly this value, or of its kind where a literal would be no use. */
export function literal(value: string | number | boolean): Atom {
  if (typeof value === 'string' && value.length > LITERAL_LENGTH_MAX) return word('string');
  if (typeof value === 'number' && !Number.isFinite(value)) return word('number');
  return { kind: 'literal', value: Object.is(value, -0) ? 0 : value };
}

/** One of `types`. `null` and `undefined` stand last, everything else in the order given. */
export function union(types: readonly TypeNode[]): TypeNode {
  const members = new Map<string, Simple>();
  for (const type of types) {
    for (const member of type.kind === 'union' ? type.members : [type]) members.set(keyOf(member), member);
  }
  if (members.has('unknown')) return UNKNOWN;
  members.delete('never');
  for (const kind of ['string', 'number', 'boolean'] as const) {
    if (!members.has(kind)) continue;
    for (const [key, member] of members) {
      if (member.kind === 'literal' && typeof member.value === kind) members.delete(key);
    }
  }
  if (members.has('true') && members.has('false')) {
    members.delete('true');
    members.delete('false');
    members.set('boolean', word('boolean'));
  }
  for (const last of ['null', 'undefined'] as const) {
    if (members.delete(last)) members.set(last, word(last));
  }
  const [first, ...rest] = members.values();
  if (first === undefined) return word('never');
  if (rest.length === 0) return first;
  return members.size <= UNION_MAX ? { kind: 'union', members: [first, ...rest] } : widened([first, ...rest]);
}

function widened(members: readonly Simple[]): TypeNode {
  if (members.some(({ kind }) => kind === 'ref' || kind === 'array')) return UNKNOWN;
  return union(
    members.map((member) => (member.kind === 'literal' ? word(typeof member.value as 'string' | 'number') : member)),
  );
}

/** The same text for the same type, and for no other. */
export function keyOf(type: Simple): string {
  switch (type.kind) {
    case 'word':
      return type.word;
    case 'literal':
      return JSON.stringify(type.value);
    case 'ref':
      return `ref ${type.name}`;
    case 'array':
      return `array of ${keyOf(type.item)}`;
  }
}
