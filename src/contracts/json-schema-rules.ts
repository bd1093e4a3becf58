/**
 * The rules of one schema: which keywords it has, read once, sorted by the kind of value that they look at. Each is a
 * function over a value and the check that it is part of.
 */
import type { Checking } from './json-schema-validator.js';
import { codePoints, hasEqualItems, inShort, isEqual, isMultiple, isOfType, typeName } from './json-values.js';

export interface ValueFault {
  /** Keys from the value's root. */
  readonly path: readonly (string | number)[];
  /** To follow the name of the field: "must be a number". */
  readonly message: string;
}

/** Faults that one check names. */
export const FAULTS_MAX = 10;

type Schema = Readonly<Record<string, unknown>>;
export type Rule<T = unknown> = (value: T, at: Checking) => boolean;

export interface Rules {
  /** Without these nothing else is looked at. */
  readonly first: readonly Rule[];
  readonly always: readonly Rule[];
  readonly ofText: readonly Rule<string>[];
  readonly ofNumber: readonly Rule<number>[];
  readonly ofList: readonly Rule<readonly unknown[]>[];
  readonly ofObject: readonly Rule<Schema>[];
}

/** Notes what is wrong with the value at the check's place, or with its field `key`, and says false. */
export function fault({ found, path }: Checking, message: string, key?: string): false {
  if (found !== undefined && found.length < FAULTS_MAX)
    found.push({ path: key === undefined ? [...path] : [...path, key], message });
  return false;
}

export function readRules(schema: Schema): Rules {
  return {
    first: firstRules(schema),
    always: rulesAtSameValue(schema),
    ofText: textRules(schema),
    ofNumber: numberRules(schema),
    ofList: listRules(schema),
    ofObject: objectRules(schema),
  };
}

function firstRules(schema: Schema): Rule[] {
  const rules: Rule[] = [];
  const types = typesOf(schema);
  const [only] = types;
  if (types.length === 1 && only !== undefined) {
    const name = typeName(only);
    rules.push((value, at) => isOfType(value, only) || fault(at, `must be ${name}`));
  } else if (types.length > 1) {
    const names = types.map(typeName).join(' or ');
    rules.push((value, at) => types.some((each) => isOfType(value, each)) || fault(at, `must be ${names}`));
  }
  if (Object.hasOwn(schema, 'const')) {
    const wanted = schema['const'];
    rules.push((value, at) => isEqual(value, wanted) || fault(at, `must be ${inShort(wanted)}`));
  }
  const values = own(schema, 'enum') as readonly unknown[] | undefined;
  if (values !== undefined) {
    rules.push((value, at) => {
      at.spend(values.length >> 4);
      return values.some((each) => isEqual(value, each)) || fault(at, `must be one of ${inShort(values)}`);
    });
  }
  return rules;
}

/** Keywords whose schemas look at the same value. */
function rulesAtSameValue(schema: Schema): Rule[] {
  const rules: Rule[] = [];
  const ref = own(schema, '$ref') as string | undefined;
  if (ref !== undefined) rules.push((value, at) => at.check(at.target(ref), value));
  for (const each of (own(schema, 'allOf') as readonly unknown[] | undefined) ?? [])
    rules.push((value, at) => at.check(each, value));
  const anyOf = own(schema, 'anyOf') as readonly unknown[] | undefined;
  if (anyOf !== undefined)
    rules.push(
      (value, at) => anyOf.some((each) => at.fits(each, value)) || fault(at, 'matches none of the alternatives'),
    );
  const oneOf = own(schema, 'oneOf') as readonly unknown[] | undefined;
  if (oneOf !== undefined)
    rules.push((value, at) => {
      const matching = oneOf.filter((each) => at.fits(each, value)).length;
      return (
        matching === 1 || fault(at, `matches ${matching === 0 ? 'none' : matching} of the alternatives; expected one`)
      );
    });
  if (Object.hasOwn(schema, 'not')) {
    const unwanted = schema['not'];
    rules.push((value, at) => !at.fits(unwanted, value) || fault(at, 'is of a form that is not allowed'));
  }
  if (Object.hasOwn(schema, 'if')) {
    const { if: condition } = schema;
    const [yes, no] = [own(schema, 'then') ?? true, own(schema, 'else') ?? true];
    rules.push((value, at) => at.check(at.fits(condition, value) ? yes : no, value));
  }
  return rules;
}

function textRules(schema: Schema): Rule<string>[] {
  const rules: Rule<string>[] = [];
  const [min, max] = [count(schema, 'minLength'), count(schema, 'maxLength')];
  const pattern = own(schema, 'pattern') as string | undefined;
  // Characters are counted as JSON Schema counts them: by code point. Never more than there are UTF-16 units.
  if (min !== undefined)
    rules.push(
      (value, at) =>
        (value.length >= min && codePoints(value, 2 * min) >= min) || fault(at, `must have at least ${min} characters`),
    );
  if (max !== undefined)
    rules.push(
      (value, at) =>
        value.length <= max ||
        codePoints(value, 2 * max + 2) <= max ||
        fault(at, `must have at most ${max} characters`),
    );
  if (pattern !== undefined) {
    const words = `must match ${pattern.length > 80 ? 'its pattern' : `the pattern ${pattern}`}`;
    rules.push((value, at) => at.matches(pattern, value) !== false || fault(at, words));
  }
  return rules;
}

function numberRules(schema: Schema): Rule<number>[] {
  const rules: Rule<number>[] = [];
  const add = (keyword: string, words: string, holds: (value: number, bound: number) => boolean): void => {
    const bound = count(schema, keyword);
    if (bound !== undefined) rules.push((value, at) => holds(value, bound) || fault(at, `must be ${words} ${bound}`));
  };
  add('minimum', 'at least', (value, bound) => value >= bound);
  add('maximum', 'at most', (value, bound) => value <= bound);
  add('exclusiveMinimum', 'more than', (value, bound) => value > bound);
  add('exclusiveMaximum', 'less than', (value, bound) => value < bound);
  add('multipleOf', 'a multiple of', isMultiple);
  return rules;
}

function listRules(schema: Schema): Rule<readonly unknown[]>[] {
  const rules: Rule<readonly unknown[]>[] = [];
  const [min, max] = [count(schema, 'minItems'), count(schema, 'maxItems')];
  if (min !== undefined) rules.push((value, at) => value.length >= min || fault(at, `must have at least ${min} items`));
  if (max !== undefined) rules.push((value, at) => value.length <= max || fault(at, `must have at most ${max} items`));
  if (own(schema, 'uniqueItems') === true)
    rules.push((value, at) => !hasEqualItems(value) || fault(at, 'must not hold an item twice'));
  const first = (own(schema, 'prefixItems') as readonly unknown[] | undefined) ?? [];
  const rest = own(schema, 'items') ?? true;
  if (first.length > 0 || rest !== true)
    rules.push((value, at) => {
      let fine = true;
      for (let index = 0; index < value.length; index += 1) {
        const each = index < first.length ? first[index] : rest;
        if (each === true) {
          if (index >= first.length) break;
        } else fine = at.within(index, each, value[index]) && fine;
      }
      return fine;
    });
  if (Object.hasOwn(schema, 'contains')) {
    const { contains } = schema;
    const [least, most] = [count(schema, 'minContains') ?? 1, count(schema, 'maxContains') ?? Number.POSITIVE_INFINITY];
    rules.push((value, at) => {
      const found = value.filter((item) => at.fits(contains, item)).length;
      return (found >= least && found <= most) || fault(at, `holds ${found} items of the form that is asked for`);
    });
  }
  return rules;
}

function objectRules(schema: Schema): Rule<Schema>[] {
  const rules: Rule<Schema>[] = [];
  const required = own(schema, 'required') as readonly string[] | undefined;
  if (required !== undefined)
    rules.push((value, at) => {
      at.spend(required.length >> 3);
      let fine = true;
      for (const name of required) if (!Object.hasOwn(value, name)) fine = fault(at, 'is missing', name);
      return fine;
    });
  const [min, max] = [count(schema, 'minProperties'), count(schema, 'maxProperties')];
  if (min !== undefined)
    rules.push((value, at) => Object.keys(value).length >= min || fault(at, `must have at least ${min} fields`));
  if (max !== undefined)
    rules.push((value, at) => Object.keys(value).length <= max || fault(at, `must have at most ${max} fields`));
  const fields = fieldRule(schema);
  if (fields !== undefined) rules.push(fields);
  if (Object.hasOwn(schema, 'propertyNames')) {
    const { propertyNames } = schema;
    rules.push((value, at) => {
      let fine = true;
      for (const key of Object.keys(value))
        if (!at.fits(propertyNames, key)) fine = fault(at, 'has a name that is not allowed', key);
      return fine;
    });
  }
  for (const [name, names] of entries(schema, 'dependentRequired'))
    rules.push((value, at) => {
      if (!Object.hasOwn(value, name)) return true;
      let fine = true;
      for (const other of names as readonly string[])
        if (!Object.hasOwn(value, other)) fine = fault(at, `is missing beside ${name}`, other);
      return fine;
    });
  for (const [name, each] of entries(schema, 'dependentSchemas'))
    rules.push((value, at) => !Object.hasOwn(value, name) || at.check(each, value));
  return rules;
}

/** What stands in the fields: those that are named, those whose names match, and all others. */
function fieldRule(schema: Schema): Rule<Schema> | undefined {
  const named = new Map(entries(schema, 'properties'));
  const patterns = entries(schema, 'patternProperties');
  const others = own(schema, 'additionalProperties') ?? true;
  if (patterns.length === 0 && others === true) {
    if (named.size === 0) return undefined;
    const properties = [...named];
    return (value, at) => {
      at.spend(properties.length >> 3);
      let fine = true;
      for (const [key, each] of properties)
        if (Object.hasOwn(value, key)) fine = at.within(key, each, value[key]) && fine;
      return fine;
    };
  }
  return (value, at) => {
    let fine = true;
    for (const key of Object.keys(value)) {
      at.spend(patterns.length);
      const each = named.get(key);
      let isKnown = each !== undefined;
      if (each !== undefined) fine = at.within(key, each, value[key]) && fine;
      for (const [pattern, schemaOfMatch] of patterns) {
        const matches = at.matches(pattern, key);
        if (matches !== false) isKnown = true;
        if (matches === true) fine = at.within(key, schemaOfMatch, value[key]) && fine;
      }
      if (isKnown || others === true) continue;
      if (others === false) fine = fault(at, 'is not a field that is taken', key);
      else fine = at.within(key, others, value[key]) && fine;
    }
    return fine;
  };
}

/** None: any. `nullable` is how older schemas say that null is fine too, and as such it is read everywhere else. */
function typesOf(schema: Schema): readonly string[] {
  const type = own(schema, 'type') as string | readonly string[] | undefined;
  if (type === undefined) return [];
  const types = typeof type === 'string' ? [type] : type;
  return own(schema, 'nullable') === true && !types.includes('null') ? [...types, 'null'] : types;
}

function own(schema: Schema, keyword: string): unknown {
  return Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
}

function count(schema: Schema, keyword: string): number | undefined {
  const value = own(schema, keyword);
  return typeof value === 'number' ? value : undefined;
}

function entries(schema: Schema, keyword: string): [string, unknown][] {
  return Object.entries((own(schema, keyword) as Schema | undefined) ?? {});
}
