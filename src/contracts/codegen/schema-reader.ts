/**
 * JSON Schema to TypeScript types. Total: every schema gives a type, and what a type cannot say (a pattern, a condition, a
 * document elsewhere) is left out of it, in the last resort as `unknown`. So the type may let through what the schema
 * refuses, and the registry's validation has the last word.
 *
 * Objects, tuples and intersections become declarations with names. What a `$ref` points to becomes one declaration however
 * often it is pointed to, so cycles end. Depth and number of parts are bounded.
 */
import { isPoisonedKey } from '../../runtime/name-rule.js';
import type { JsonSchema } from '../contract-snapshot.js';
import { breakAliasCycles } from './alias-cycles.js';
import {
  type Atom,
  type Body,
  type Declaration,
  type Field,
  literal,
  type Simple,
  type TypeNode,
  UNKNOWN,
  union,
  word,
} from './declaration.js';
import { type Identifiers, identifierOf } from './names.js';
import {
  entriesAt,
  hasShape,
  isObject,
  isSchema,
  numberAt,
  own,
  requiredOf,
  type SchemaObject,
  schemaAt,
  schemasAt,
  stringAt,
  targetOf,
  typeNames,
} from './schema-parts.js';
import { isDeclarable } from './source-text.js';

const DEPTH_MAX = 24;
/** Parts of one schema that are looked at. */
const PARTS_MAX = 5_000;
const FIELDS_MAX = 1_000;

/** Keywords that make of a schema more than what its `type` says. */
const COMBINING = ['$ref', '$dynamicRef', 'allOf', 'anyOf', 'oneOf', 'const', 'enum', 'not'];

/** Reads one schema. `names` are those of the file or namespace that the declarations go to. */
export class SchemaReader {
  readonly declarations: Declaration[] = [];
  readonly #names: Identifiers;
  readonly #root: JsonSchema;
  readonly #base: string;
  /** What each target of a `$ref` is called. */
  readonly #targets = new Map<SchemaObject, string>();
  #parts = 0;

  /** `base` begins the names of what the schema defines by name. */
  constructor(names: Identifiers, root: JsonSchema, base: string) {
    this.#names = names;
    this.#root = root;
    this.#base = base;
  }

  /** To be called once. Declares the root under `name`, which is taken already. Its declaration stands first. */
  declareRoot(name: string): Declaration {
    if (isObject(this.#root)) this.#targets.set(this.#root, name);
    this.#declare(this.#root, name, 0);
    const at = this.declarations.findIndex((declaration) => declaration.name === name);
    this.declarations.unshift(...this.declarations.splice(at, 1));
    breakAliasCycles(this.declarations);
    const [declaration] = this.declarations;
    if (declaration === undefined) throw new Error(`Nothing was declared as ${name}.`);
    return declaration;
  }

  /** Makes a declaration of exactly this name. */
  #declare(schema: JsonSchema, name: string, depth: number): void {
    const description = isObject(schema) ? describe(schema) : undefined;
    if (isObject(schema) && this.#isWhole(schema)) {
      const tuple = typeNames(schema)?.[0] === 'array' ? tupleOf(schema) : undefined;
      const body = tuple === undefined ? this.#interface(schema, name, depth) : this.#tuple(schema, tuple, name, depth);
      this.#add(name, description, body);
      return;
    }
    // Its own name is taken, so a part that needs one is called something else.
    const type = this.#read(schema, name, depth, `${name}Value`);
    const last = this.declarations.at(-1);
    const isOwnPart =
      type.kind === 'ref' && type.name === last?.name && ![...this.#targets.values()].includes(last.name);
    // A part that is all there is takes the name itself.
    if (isOwnPart && last !== undefined) this.declarations[this.declarations.length - 1] = { ...last, name };
    else this.#add(name, description, { kind: 'alias', type });
  }

  /** Whether the schema is one object or one tuple, and nothing else. */
  #isWhole(schema: SchemaObject): boolean {
    const types = typeNames(schema);
    if (types?.length !== 1 || COMBINING.some((keyword) => Object.hasOwn(schema, keyword))) return false;
    return types[0] === 'object' || (types[0] === 'array' && tupleOf(schema) !== undefined);
  }

  /** The type of a schema. What has to be declared for it is called `named`, or begins with `wanted`. */
  #read(schema: JsonSchema, wanted: string, depth: number, named = wanted): TypeNode {
    if (typeof schema === 'boolean') return schema ? UNKNOWN : word('never');
    this.#parts += 1;
    if (depth > DEPTH_MAX || this.#parts > PARTS_MAX) return UNKNOWN;
    const parts: TypeNode[] = [];
    for (const keyword of ['$ref', '$dynamicRef']) {
      const ref = stringAt(schema, keyword);
      if (ref !== undefined) parts.push(this.#reference(ref, depth));
    }
    const alternatives = ['anyOf', 'oneOf'].map((keyword) => schemasAt(schema, keyword));
    const all = schemasAt(schema, 'allOf');
    const combines = parts.length > 0 || all !== undefined || alternatives.some((list) => list !== undefined);
    if (!combines || hasShape(schema) || hasValues(schema) || !saysObject(schema)) {
      parts.push(this.#plain(schema, named, wanted, depth));
    }
    for (const part of all ?? []) parts.push(this.#read(part, `${wanted}Part`, depth + 1));
    for (const list of alternatives) {
      if (list === undefined) continue;
      parts.push(union(list.map((option) => this.#read(option, `${wanted}${optionName(option)}`, depth + 1))));
    }
    return this.#intersection(parts, named);
  }

  /** What the schema says without its combining keywords. */
  #plain(schema: SchemaObject, named: string, wanted: string, depth: number): TypeNode {
    const not = schemaAt(schema, 'not');
    if (not === true || (isObject(not) && Object.keys(not).length === 0)) return word('never');
    if (Object.hasOwn(schema, 'const')) return this.#constant(own(schema, 'const'), named);
    const values = own(schema, 'enum');
    if (Array.isArray(values)) return union(values.map((value) => this.#constant(value, named)));
    const types = typeNames(schema);
    if (types === undefined) return UNKNOWN;
    return union(types.map((type) => this.#ofType(type, schema, named, wanted, depth)));
  }

  #ofType(type: string, schema: SchemaObject, named: string, wanted: string, depth: number): TypeNode {
    switch (type) {
      case 'string':
      case 'number':
      case 'boolean':
      case 'null':
        return word(type);
      case 'integer':
        return word('number');
      case 'array': {
        const tuple = tupleOf(schema);
        return tuple === undefined
          ? this.#array(schema, wanted, depth)
          : this.#hoisted(named, describe(schema), (name) => this.#tuple(schema, tuple, name, depth));
      }
      case 'object':
        return this.#hoisted(named, describe(schema), (name) => this.#interface(schema, name, depth));
      default:
        return UNKNOWN;
    }
  }

  #constant(value: unknown, wanted: string): TypeNode {
    if (value === null) return word('null');
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return literal(value);
    if (Array.isArray(value)) return { kind: 'array', item: UNKNOWN };
    return this.#hoisted(wanted, undefined, () => ({ kind: 'interface', fields: [], others: UNKNOWN }));
  }

  #array(schema: SchemaObject, wanted: string, depth: number): TypeNode {
    const items = schemaAt(schema, 'items') ?? true;
    return { kind: 'array', item: this.#atom(this.#read(items, `${wanted}Item`, depth + 1), `${wanted}Item`) };
  }

  #tuple(schema: SchemaObject, positions: readonly JsonSchema[], name: string, depth: number): Body {
    const needed = numberAt(schema, 'minItems') ?? positions.length;
    const rest = schemaAt(schema, Array.isArray(own(schema, 'items')) ? 'additionalItems' : 'items');
    const atom = (part: JsonSchema, wanted: string): Atom => this.#atom(this.#read(part, wanted, depth + 1), wanted);
    return {
      kind: 'tuple',
      items: positions.map((position, index) => ({
        type: atom(position, `${name}Item${index + 1}`),
        optional: index >= needed,
      })),
      rest: rest === undefined || rest === false ? undefined : atom(rest, `${name}Rest`),
    };
  }

  #interface(schema: SchemaObject, name: string, depth: number): Body {
    const required = requiredOf(schema);
    const properties = new Map<string, unknown>([...required].map((field) => [field, true]));
    for (const [field, property] of entriesAt(schema, 'properties')) properties.set(field, property);
    const fields: Field[] = [];
    let leftOut = false;
    for (const [field, property] of [...properties].sort(([left], [right]) => (left < right ? -1 : 1))) {
      // The codec lets no such field travel.
      if (isPoisonedKey(field)) continue;
      if (!isDeclarable(field) || fields.length >= FIELDS_MAX) {
        leftOut = true;
        continue;
      }
      const part = isSchema(property) ? property : true;
      const type = this.#read(part, `${name}${identifierOf(field, 'Field')}`, depth + 1);
      const optional = !required.has(field);
      fields.push({
        name: field,
        type: optional ? union([type, word('undefined')]) : type,
        optional,
        ...(isObject(part) && { description: describe(part), deprecated: own(part, 'deprecated') === true }),
      });
    }
    const others = this.#others(schema, name, depth, fields.length > 0 || leftOut);
    return { kind: 'interface', fields, others: others ?? (leftOut ? UNKNOWN : undefined) };
  }

  /** The type of fields without a name of their own. Beside named ones it must take in those, so it is `unknown` then. */
  #others(schema: SchemaObject, name: string, depth: number, named: boolean): TypeNode | undefined {
    const patterns = entriesAt(schema, 'patternProperties')
      .map(([, pattern]) => pattern)
      .filter(isSchema);
    const additional = schemaAt(schema, 'additionalProperties') ?? schemaAt(schema, 'unevaluatedProperties');
    // Nothing is said of any field: an object of any kind. With fields to hold on to, others are not offered.
    const open = additional ?? (named || patterns.length > 0 ? false : !isObject(own(schema, 'properties')));
    const all = open === false ? patterns : [...patterns, open];
    if (all.length === 0) return undefined;
    if (named) return UNKNOWN;
    return union(all.map((part) => this.#read(part, `${name}Value`, depth + 1)));
  }

  #reference(ref: string, depth: number): TypeNode {
    const target = targetOf(this.#root, ref);
    if (target === undefined) return UNKNOWN;
    if (typeof target === 'boolean') return target ? UNKNOWN : word('never');
    let name = this.#targets.get(target);
    if (name === undefined) {
      name = this.#names.take(`${this.#base}${identifierOf(ref.slice(ref.lastIndexOf('/') + 1), 'Definition')}`);
      this.#targets.set(target, name);
      this.#declare(target, name, depth + 1);
    }
    return { kind: 'ref', name };
  }

  #intersection(types: readonly TypeNode[], wanted: string): TypeNode {
    const parts = types.filter((type) => type !== UNKNOWN);
    if (parts.some((type) => type.kind === 'word' && type.word === 'never')) return word('never');
    const atoms = new Map<string, TypeNode>();
    for (const part of parts) atoms.set(JSON.stringify(part), part);
    const [first, ...rest] = atoms.values();
    if (first === undefined) return UNKNOWN;
    if (rest.length === 0) return first;
    return this.#hoisted(wanted, undefined, () => ({
      kind: 'intersection',
      members: [first, ...rest].map((part) => this.#atom(part, `${wanted}Part`)),
    }));
  }

  /** The type as one word of code: itself, or a name for it. */
  #atom(type: TypeNode, wanted: string): Atom {
    if (type.kind !== 'union' && type.kind !== 'array') return type;
    return this.#hoisted(wanted, undefined, () => ({ kind: 'alias', type }));
  }

  #hoisted(wanted: string, description: string | undefined, body: (name: string) => Body): Simple & Atom {
    const name = this.#names.take(wanted);
    this.#add(name, description, body(name));
    return { kind: 'ref', name };
  }

  #add(name: string, description: string | undefined, body: Body): void {
    this.declarations.push({ name, description, body });
  }
}

/** The positions of a tuple, in the way of today or of older drafts. */
function tupleOf(schema: SchemaObject): readonly JsonSchema[] | undefined {
  return schemasAt(schema, 'prefixItems') ?? schemasAt(schema, 'items');
}

function hasValues(schema: SchemaObject): boolean {
  return Object.hasOwn(schema, 'const') || Object.hasOwn(schema, 'enum');
}

function saysObject(schema: SchemaObject): boolean {
  const types = typeNames(schema);
  return types === undefined || types.every((type) => type === 'object' || type === 'array');
}

function describe(schema: SchemaObject): string | undefined {
  return stringAt(schema, 'description') ?? stringAt(schema, 'title');
}

/** What to call an alternative: by its title, or by the field that tells it from the others. */
function optionName(option: JsonSchema): string {
  if (!isObject(option)) return 'Option';
  const title = stringAt(option, 'title');
  if (title !== undefined) return identifierOf(title, 'Option');
  for (const [, property] of entriesAt(option, 'properties')) {
    const constant = isObject(property) ? stringAt(property, 'const') : undefined;
    if (constant !== undefined) return identifierOf(constant, 'Option');
  }
  return 'Option';
}
