/**
 * Whether every value that fits one JSON Schema fits another one too, and if not, where it would not. Both snapshots of a
 * contract are compared with it: a payload that was fine must stay fine, and a reply must stay what was promised.
 *
 * It errs on the side of a fault: what cannot be told by the form of the schemas is `unclear`.
 */
import type { JsonSchema } from './contract-snapshot.js';
import { JsonSchemaValidator } from './json-schema-validator.js';
import {
  followed,
  isOneOf,
  isSame,
  isTighter,
  type NormalSchema,
  normalSchema,
  type TypeName,
} from './schema-normal.js';
import { mayOverlap } from './schema-overlap.js';

export interface Misfit {
  /** Where in the value: `address.street`, `tags[]`; empty: the value itself. */
  readonly path: string;
  readonly what: /** The other schema requires the field `name`. */
    | { readonly kind: 'required'; readonly name: string; readonly isKnown: boolean }
    /** It knows the field and the other one lets no such field through. */
    | { readonly kind: 'field'; readonly name: string }
    /** Values of these types, or these values, do not fit. */
    | { readonly kind: 'types'; readonly types: readonly string[] }
    | { readonly kind: 'values'; readonly values: readonly unknown[] }
    /** Only these values fit the other one. */
    | { readonly kind: 'only'; readonly values: readonly unknown[] }
    /** A rule of the other one is stricter; undefined: there is none in this one. */
    | { readonly kind: 'rule'; readonly keyword: string; readonly here: unknown; readonly there: unknown }
    | { readonly kind: 'others' }
    | { readonly kind: 'nothing' }
    | { readonly kind: 'unclear'; readonly keyword: string };
}

const DEPTH_MAX = 40;
const STEPS_MAX = 20_000;
const MISFITS_MAX = 100;
const ALL_TYPES: readonly TypeName[] = ['null', 'boolean', 'object', 'array', 'number', 'string'];
/** Rules for values of one type only. */
const RULE_TYPES: Readonly<Record<string, readonly TypeName[]>> = {
  minLength: ['string'],
  maxLength: ['string'],
  pattern: ['string'],
  format: ['string'],
  minItems: ['array'],
  maxItems: ['array'],
  uniqueItems: ['array'],
  contains: ['array'],
  minContains: ['array'],
  maxContains: ['array'],
  unevaluatedItems: ['array'],
  multipleOf: ['number', 'integer'],
};

export interface FitOptions {
  /** Fields that the other schema does not know are no misfit: who reads the value passes them over. */
  readonly ignoreOthers: boolean;
}

/** Where a value of `from` might not fit `to`; empty: every one does. */
export function misfits(from: JsonSchema, to: JsonSchema, options: FitOptions): Misfit[] {
  if (isSame(from, to)) return [];
  return new Comparison(from, to, options).compare(from, to, '', 0).slice(0, MISFITS_MAX);
}

class Comparison {
  /** Pairs that are being compared: a schema that leads back to itself fits there if it fits everywhere else. */
  readonly #open = new Map<unknown, Set<unknown>>();
  #steps = 0;

  constructor(
    private readonly fromRoot: JsonSchema,
    private readonly toRoot: JsonSchema,
    private readonly options: FitOptions,
  ) {}

  /** @param isPart `given` is one alternative of a schema that is compared as a whole. */
  compare(given: JsonSchema, wanted: JsonSchema, path: string, depth: number, isPart = false): Misfit[] {
    const [from, to] = [followed(given, this.fromRoot), followed(wanted, this.toRoot)];
    if (from === false || to === true) return [];
    this.#steps += 1;
    if (depth > DEPTH_MAX || this.#steps > STEPS_MAX) return [{ path, what: { kind: 'unclear', keyword: 'depth' } }];
    const partners = this.#open.get(from) ?? new Set();
    if (partners.has(to)) return [];
    this.#open.set(from, partners.add(to));
    try {
      return [...(isPart ? [] : this.#compareOneOf(from, to, path)), ...this.#compareOpen(from, to, path, depth)];
    } finally {
      partners.delete(to);
    }
  }

  #compareOpen(from: JsonSchema, to: JsonSchema, path: string, depth: number): Misfit[] {
    const left = normalSchema(from, this.fromRoot);
    if (left === false) return [];
    const [options, ...more] = left.alternatives;
    if (options !== undefined) {
      const base = withoutAlternatives(from, left);
      const others = more.map((anyOf) => ({ anyOf }));
      return unique(
        options.flatMap((option) => this.compare({ allOf: [base, ...others, option] }, to, path, depth + 1, true)),
      );
    }
    const right = normalSchema(to, this.toRoot);
    if (right === false) return [{ path, what: { kind: 'nothing' } }];
    if (left.values !== undefined) return this.#compareValues(left.values, to, path);
    const found = right.alternatives.flatMap((list) => this.#compareAny(from, left, list, path, depth));
    return unique([...found, ...this.#compareRules(left, right, path, depth)]);
  }

  /** A value that fits more than one schema of a `oneOf` is refused. */
  #compareOneOf(from: JsonSchema, to: JsonSchema, path: string): Misfit[] {
    if (typeof to === 'boolean' || !Array.isArray(to['oneOf'])) return [];
    if (typeof from === 'object' && (isSame(from['oneOf'], to['oneOf']) || hasFixedValues(from))) return [];
    const overlaps = mayOverlap(to['oneOf'] as JsonSchema[], this.toRoot);
    return overlaps ? [{ path, what: { kind: 'unclear', keyword: 'oneOf' } }] : [];
  }

  #compareValues(values: readonly unknown[], to: JsonSchema, path: string): Misfit[] {
    // References are looked up from the root, so the definitions have to be there.
    const root = typeof this.toRoot === 'object' ? this.toRoot : {};
    const { $defs, definitions } = root;
    const alone = typeof to === 'object' ? { ...to, ...(to !== root && { $defs, definitions }) } : to;
    const validator = new JsonSchemaValidator(alone);
    const bad = values.filter((value) => validator.faults(value).length > 0);
    return bad.length === 0 ? [] : [{ path, what: { kind: 'values', values: bad } }];
  }

  /** One of the alternatives has to take in everything; of a value of several types, each type may find its own. */
  #compareAny(
    from: JsonSchema,
    left: NormalSchema,
    list: readonly JsonSchema[],
    path: string,
    depth: number,
  ): Misfit[] {
    const types = [...(left.types ?? ALL_TYPES)];
    if (types.length > 1) {
      return types.flatMap((type) =>
        this.#closest({ allOf: [{ type }, from] }, list, path, depth, { kind: 'types', types: [type] }),
      );
    }
    return this.#closest(from, list, path, depth, undefined);
  }

  #closest(
    from: JsonSchema,
    list: readonly JsonSchema[],
    path: string,
    depth: number,
    instead: Misfit['what'] | undefined,
  ): Misfit[] {
    let best: Misfit[] | undefined;
    for (const option of list) {
      const found = this.compare(from, option, path, depth + 1);
      if (found.length === 0) return [];
      if (best === undefined || weight(found, path) < weight(best, path)) best = found;
    }
    if (best === undefined) return [{ path, what: { kind: 'nothing' } }];
    const isOtherType = best.some(({ path: at, what }) => at === path && what.kind === 'types');
    return isOtherType && instead !== undefined ? [{ path, what: instead }] : best;
  }

  #compareRules(left: NormalSchema, right: NormalSchema, path: string, depth: number): Misfit[] {
    const types = [...(left.types ?? ALL_TYPES)];
    const fitting = types.filter((type) => isTypeIn(type, right.types));
    const found: Misfit[] = [];
    if (fitting.length < types.length) {
      const bad = types.filter((type) => !fitting.includes(type));
      if (left.types === undefined && right.types !== undefined) {
        return [{ path, what: { kind: 'rule', keyword: 'type', here: undefined, there: [...right.types].sort() } }];
      }
      found.push({ path, what: { kind: 'types', types: bad } });
    }
    if (right.values !== undefined && !covers(right.values, fitting)) {
      found.push({ path, what: { kind: 'only', values: right.values } });
    }
    const has = (...names: TypeName[]): boolean => names.some((name) => fitting.includes(name));
    found.push(...this.#compareLimits(left, right, path, fitting));
    if (has('array')) found.push(...this.#compareItems(left, right, path, depth));
    if (has('object')) found.push(...this.#compareFields(left, right, path, depth));
    return found;
  }

  #compareLimits(left: NormalSchema, right: NormalSchema, path: string, types: readonly TypeName[]): Misfit[] {
    const found: Misfit[] = [];
    const add = (keyword: string, here: unknown, there: unknown): void => {
      const only = RULE_TYPES[keyword];
      if (only === undefined || only.some((type) => types.includes(type)))
        found.push({ path, what: { kind: 'rule', keyword, here, there } });
    };
    if (types.includes('number') || types.includes('integer')) {
      for (const [side, keyword, here, there] of [
        [1, 'minimum', left.lower, right.lower] as const,
        [-1, 'maximum', left.upper, right.upper] as const,
      ]) {
        if (there !== undefined && isTighter(there, here, side)) add(keyword, here?.value, there.value);
      }
    }
    for (const [keyword, there] of right.least) {
      const here = left.least.get(keyword);
      if (there > (here ?? 0)) add(keyword, here, there);
    }
    for (const [keyword, there] of right.most) {
      const here = left.most.get(keyword);
      if (here === undefined || there < here) add(keyword, here, there);
    }
    for (const [keyword, there] of right.rest) {
      const here = left.rest.get(keyword);
      if (isSame(here, there) || (keyword === 'uniqueItems' && there !== true)) continue;
      if (keyword === 'multipleOf' && Number.isInteger(Number(here) / Number(there))) continue;
      if (['pattern', 'format', 'multipleOf', 'uniqueItems'].includes(keyword)) add(keyword, here, there);
      else if (!keyword.startsWith('x-')) found.push({ path, what: { kind: 'unclear', keyword } });
    }
    return found;
  }

  #compareItems(left: NormalSchema, right: NormalSchema, path: string, depth: number): Misfit[] {
    const count = Math.max(left.positions?.length ?? 0, right.positions?.length ?? 0);
    const found: Misfit[] = [];
    for (let at = 0; at < count; at++) {
      const here = left.positions?.[at] ?? left.items ?? true;
      const there = right.positions?.[at] ?? right.items ?? true;
      found.push(...this.compare(here, there, `${path}[${at}]`, depth + 1));
    }
    // What follows the positions of a tuple is not told where nothing is said of it.
    if (right.items === undefined || (left.items === undefined && left.positions !== undefined)) return found;
    return [...found, ...this.compare(left.items ?? true, right.items, `${path}[]`, depth + 1)];
  }

  #compareFields(left: NormalSchema, right: NormalSchema, path: string, depth: number): Misfit[] {
    const found: Misfit[] = [];
    for (const name of right.required) {
      if (!left.required.has(name))
        found.push({ path, what: { kind: 'required', name, isKnown: left.fields.has(name) } });
    }
    for (const [name, field] of left.fields) {
      const there = right.fields.get(name) ?? right.others ?? true;
      if (there === false && !right.fields.has(name)) {
        if (!this.options.ignoreOthers && field !== false) found.push({ path, what: { kind: 'field', name } });
      } else found.push(...this.compare(field, there, joined(path, name), depth + 1));
    }
    const refusesOthers = right.others === false && !this.options.ignoreOthers;
    // Fields by pattern count among the others where the other schema has no patterns.
    if (
      left.rest.has('patternProperties') &&
      !right.rest.has('patternProperties') &&
      (refusesOthers || typeof right.others === 'object')
    )
      found.push({ path, what: { kind: 'unclear', keyword: 'patternProperties' } });
    const { others: here } = left;
    if (here !== undefined && here !== false && here !== true) {
      for (const [name, field] of right.fields) {
        if (!left.fields.has(name)) found.push(...this.compare(here, field, joined(path, name), depth + 1));
      }
    }
    if (right.others === undefined || here === false) return found;
    if (right.others === false) return refusesOthers ? [...found, { path, what: { kind: 'others' } }] : found;
    if (this.options.ignoreOthers && here === undefined) return found;
    return [...found, ...this.compare(here ?? true, right.others, `${path}{}`, depth + 1)];
  }
}

function hasFixedValues(schema: Readonly<Record<string, unknown>>): boolean {
  return Object.hasOwn(schema, 'const') || Object.hasOwn(schema, 'enum');
}

function withoutAlternatives(schema: JsonSchema, normal: NormalSchema): JsonSchema {
  if (typeof schema === 'boolean') return schema;
  const { lower, upper, types, values } = normal;
  return {
    ...(types !== undefined && { type: [...types] }),
    ...(values !== undefined && { enum: values }),
    ...(normal.required.size > 0 && { required: [...normal.required] }),
    ...(normal.fields.size > 0 && { properties: Object.fromEntries(normal.fields) }),
    ...(normal.others !== undefined && { additionalProperties: normal.others }),
    ...(normal.positions !== undefined && { prefixItems: normal.positions }),
    ...(normal.items !== undefined && { items: normal.items }),
    ...(lower !== undefined && { [lower.exclusive ? 'exclusiveMinimum' : 'minimum']: lower.value }),
    ...(upper !== undefined && { [upper.exclusive ? 'exclusiveMaximum' : 'maximum']: upper.value }),
    ...Object.fromEntries([...normal.least, ...normal.most, ...normal.rest]),
  };
}

function isTypeIn(type: TypeName, types: ReadonlySet<TypeName> | undefined): boolean {
  return types === undefined || types.has(type) || (type === 'integer' && types.has('number'));
}

/** Whether the values are all that there are of these types. */
function covers(values: readonly unknown[], types: readonly TypeName[]): boolean {
  return types.every((type) => {
    if (type === 'null') return values.includes(null);
    return type === 'boolean' && isOneOf(true, values) && isOneOf(false, values);
  });
}

/** The alternative that a value was meant for has the right type and the right names; what is wrong lies deeper. */
function weight(found: readonly Misfit[], path: string): number {
  const here = found.filter((misfit) => misfit.path === path && misfit.what.kind !== 'required').length;
  const wrongNames = found.filter(({ what }) => what.kind === 'values').length;
  return found.length + 100 * here + 1_000 * wrongNames;
}

function unique(found: readonly Misfit[]): Misfit[] {
  return [...new Map(found.map((misfit) => [JSON.stringify(misfit), misfit])).values()];
}

function joined(path: string, name: string): string {
  const part = /^[\p{L}\p{N}_$-]{1,64}$/u.test(name) ? name : JSON.stringify(name.slice(0, 64));
  return path === '' ? part : `${path}.${part}`;
}
