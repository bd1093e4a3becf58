/**
 * Checks values against a JSON Schema that another service published (draft 2020-12). The schema is data all the way:
 * nothing of it becomes code, references stay inside it, and the work is counted, so that no schema keeps the process
 * busy. What a check cannot tell within its budget counts as fine, as does what this check leaves out (`format`,
 * `unevaluated…`, expensive patterns): it is the sender's courtesy, and the owner of the entity checks for itself.
 *
 * Each schema within the schema is read once, when it is first needed, into the few rules that it has
 * (`json-schema-rules.ts`); this file runs them.
 *
 * Only for schemas in which `jsonSchemaFault` found nothing. The reasons for not using a library stand in
 * docs/decisions/021-published-schemas-are-interpreted.md.
 */
import type { JsonSchema } from './contract-snapshot.js';
import { resolveRef } from './json-schema-check.js';
import { fault, type Rules, readRules, type ValueFault } from './json-schema-rules.js';
import { type CheapPattern, cheapPattern } from './pattern-cost.js';

/** Schemas that one check looks into: some milliseconds. */
const STEPS_MAX = 20_000;
const DEPTH_MAX = 200;
/** Patterns that one schema keeps compiled. */
const PATTERNS_MAX = 1_000;

class OutOfBudget extends Error {}

/** What the rules of a schema need of the check that they are part of. */
export interface Checking {
  /** Keys from the value's root to the value that is looked at. */
  readonly path: (string | number)[];
  /** Where faults are noted; undefined: only the answer matters. */
  found: ValueFault[] | undefined;
  check(schema: unknown, value: unknown): boolean;
  /** As `check`, noting nothing. */
  fits(schema: unknown, value: unknown): boolean;
  /** As `check`, of what stands in the value under this key. */
  within(key: string | number, schema: unknown, value: unknown): boolean;
  target(ref: string): unknown;
  /** Undefined when it takes too long to tell. */
  matches(pattern: string, text: string): boolean | undefined;
  /** Counts work that grows with the value or the schema. */
  spend(steps: number): void;
}

export class JsonSchemaValidator implements Checking {
  readonly path: (string | number)[] = [];
  found: ValueFault[] | undefined;
  private readonly rules = new Map<object, Rules>();
  private readonly refs = new Map<string, unknown>();
  private readonly patterns = new Map<string, CheapPattern | undefined>();
  private steps = 0;
  private depth = 0;

  constructor(private readonly root: JsonSchema) {}

  /** What is wrong with the value; empty when nothing is, or when it cannot be told in time. */
  faults(value: unknown): readonly ValueFault[] {
    this.steps = 0;
    this.depth = 0;
    this.path.length = 0;
    this.found = undefined;
    try {
      // Nearly every value is fine, and then nothing needs to be noted.
      if (this.check(this.root, value)) return NO_FAULTS;
      const found: ValueFault[] = [];
      this.found = found;
      this.check(this.root, value);
      return found;
    } catch (error) {
      if (error instanceof OutOfBudget) return NO_FAULTS;
      throw error;
    }
  }

  check(schema: unknown, value: unknown): boolean {
    if (typeof schema !== 'object' || schema === null) return schema !== false || fault(this, 'is not allowed');
    this.spend(1);
    this.depth += 1;
    if (this.depth > DEPTH_MAX) throw new OutOfBudget();
    let rules = this.rules.get(schema);
    if (rules === undefined) this.rules.set(schema, (rules = readRules(schema as Readonly<Record<string, unknown>>)));
    const fine = this.run(rules, value);
    this.depth -= 1;
    return fine;
  }

  fits(schema: unknown, value: unknown): boolean {
    const { found } = this;
    this.found = undefined;
    const fine = this.check(schema, value);
    this.found = found;
    return fine;
  }

  within(key: string | number, schema: unknown, value: unknown): boolean {
    this.path.push(key);
    const fine = this.check(schema, value);
    this.path.pop();
    return fine;
  }

  target(ref: string): unknown {
    let target = this.refs.get(ref);
    if (target === undefined) this.refs.set(ref, (target = resolveRef(this.root, ref) ?? true));
    return target;
  }

  matches(pattern: string, text: string): boolean | undefined {
    let compiled = this.patterns.get(pattern);
    if (compiled === undefined && !this.patterns.has(pattern)) {
      if (this.patterns.size >= PATTERNS_MAX) return undefined;
      compiled = cheapPattern(pattern);
      this.patterns.set(pattern, compiled);
    }
    if (compiled === undefined || text.length > compiled.lengthMax) return undefined;
    this.spend(10);
    return compiled.regex.test(text);
  }

  spend(steps: number): void {
    this.steps += steps;
    if (this.steps > STEPS_MAX) throw new OutOfBudget();
  }

  private run(rules: Rules, value: unknown): boolean {
    // What is not of the right type has no further faults that are worth telling.
    for (const rule of rules.first) if (!rule(value, this)) return false;
    let fine = true;
    for (const rule of rules.always) fine = rule(value, this) && fine;
    if (typeof value === 'string') {
      for (const rule of rules.ofText) fine = rule(value, this) && fine;
    } else if (typeof value === 'number') {
      for (const rule of rules.ofNumber) fine = rule(value, this) && fine;
    } else if (Array.isArray(value)) {
      for (const rule of rules.ofList) fine = rule(value, this) && fine;
    } else if (typeof value === 'object' && value !== null) {
      for (const rule of rules.ofObject) fine = rule(value as Readonly<Record<string, unknown>>, this) && fine;
    }
    return fine;
  }
}

const NO_FAULTS: readonly ValueFault[] = Object.freeze([]);
