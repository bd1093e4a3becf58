/**
 * Finds the property that a constructor parameter ends up in. A parameter decorator learns only the parameter's
 * position, so the class's own source is read: `constructor(a, b) { this.accountId = a; }` says that parameter 0 is
 * `accountId`, also when a minifier renamed the parameter. Where the source does not say so plainly (the value goes to
 * a parent class, say), the constructor is tried once with marked values, and the property that holds the mark is it.
 */
import { classChain } from './class-metadata.js';

/** The property that parameter `index` of the class's constructor is kept in; undefined when it cannot be found. */
export function parameterProperty(cls: object, index: number): string | undefined {
  const source = attempt(() => Function.prototype.toString.call(cls)) ?? '';
  const names = constructorParameters(source);
  const name = names?.[index];
  const assigned = name === undefined ? undefined : assignedProperty(source, name);
  if (assigned !== undefined) return assigned;
  return probe(cls, index) ?? (name !== undefined && mentions(source, name) ? name : undefined);
}

/**
 * The names of the parameters of a class's constructor, or of the one that it inherits, as its source has them (a minifier
 * may have renamed them); empty for one that is destructured. Undefined when there is no constructor to read.
 */
export function constructorParameterNames(cls: object): readonly string[] | undefined {
  for (const at of classChain(cls)) {
    const names = constructorParameters(attempt(() => Function.prototype.toString.call(at)) ?? '');
    if (names !== undefined) return names;
  }
  return undefined;
}

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/** `this.x = name` as a statement of its own, however the source is spaced. Only one such property is an answer. */
function assignedProperty(source: string, name: string): string | undefined {
  const escaped = name.replaceAll('$', '\\$');
  const pattern = new RegExp(
    `(?:\\bthis\\.([A-Za-z_$][\\w$]*)\\s*=|__publicField\\(this,\\s*["']([A-Za-z_$][\\w$]*)["'],)\\s*${escaped}\\s*[;,)}\\n]`,
    'g',
  );
  const found = new Set<string>();
  for (const match of source.matchAll(pattern)) found.add(match[1] ?? match[2] ?? '');
  return found.size === 1 ? [...found][0] : undefined;
}

function mentions(source: string, name: string): boolean {
  return new RegExp(`\\bthis\\.${name.replaceAll('$', '\\$')}\\s*=[^=]`).test(source);
}

/** Runs the constructor with strings that nobody else has and looks where the one in question went. */
function probe(cls: object, index: number): string | undefined {
  if (typeof cls !== 'function') return undefined;
  const marks = Array.from({ length: Math.max(cls.length, index + 1) }, (_, at) => `atomic-queues probe ${at}`);
  const instance: unknown = attempt(() => Reflect.construct(cls, marks) as unknown);
  if (typeof instance !== 'object' || instance === null) return undefined;
  const found = Object.keys(instance).filter(
    (key) => attempt(() => (instance as Record<string, unknown>)[key]) === marks[index],
  );
  return found.length === 1 ? found[0] : undefined;
}

/** The parameter names of the constructor in a class's (or a constructor function's) source, or undefined. */
function constructorParameters(source: string): string[] | undefined {
  const start = /^\s*(?:function\b[^(]*\()/.exec(source)?.[0].length ?? findConstructor(source);
  if (start === undefined) return undefined;
  const parameters: string[] = [];
  let depth = 0;
  let current = '';
  for (let at = start; at < source.length; ) {
    const skipped = skipLiteral(source, at);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    const character = source.charAt(at);
    if (depth === 0 && (character === ',' || character === ')')) {
      if (current.trim() !== '') parameters.push(parameterName(current));
      if (character === ')') return parameters;
      current = '';
    } else {
      if ('([{'.includes(character)) depth += 1;
      if (')]}'.includes(character)) depth -= 1;
      current += character;
    }
    at += 1;
  }
  return undefined;
}

/** A parameter without its default value; empty for one that is destructured or gathers the rest. */
function parameterName(text: string): string {
  const name = (text.split('=')[0] ?? '').trim();
  return IDENTIFIER.test(name) ? name : '';
}

/** The place right after `constructor(` at the top level of the class body. */
function findConstructor(source: string): number | undefined {
  let depth = 0;
  for (let at = 0; at < source.length; ) {
    const skipped = skipLiteral(source, at);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    const character = source.charAt(at);
    if (depth === 1 && character === 'c') {
      const match = /^constructor\s*\(/.exec(source.slice(at, at + 40));
      if (match !== null && !/[\w$.#]/.test(source.charAt(at - 1))) return at + match[0].length;
    }
    if (character === '{') depth += 1;
    if (character === '}') depth -= 1;
    at += 1;
  }
  return undefined;
}

/** The place after the comment or string that begins at `at`; `at` itself when none does. */
function skipLiteral(source: string, at: number): number {
  const character = source.charAt(at);
  if (character === '/') {
    const next = source.charAt(at + 1);
    if (next === '/') return endOr(source.indexOf('\n', at), source);
    if (next === '*') return endOr(source.indexOf('*/', at + 2), source, 2);
    return at;
  }
  if (character !== '"' && character !== "'" && character !== '`') return at;
  for (let end = at + 1; end < source.length; end += 1) {
    if (source.charAt(end) === '\\') end += 1;
    else if (source.charAt(end) === character) return end + 1;
  }
  return source.length;
}

function endOr(found: number, source: string, length = 0): number {
  return found === -1 ? source.length : found + length;
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
