/**
 * What options may be made of: the building blocks of the configuration's schemas. Every fault's message is the expectation
 * in words, to follow the word "expected ".
 */
import { z } from 'zod';

/** The longest time that a timer of the platform holds, about 24 days. */
export const DURATION_MS_MAX = 2_147_483_647;
export const COUNT_MAX = 1_000_000_000;
export const orUnbounded = ' (0: unbounded)';

export function whole(unit: string, min: number, max: number, extra = '') {
  const error = () => `a whole number of ${unit} from ${min} to ${max}${extra}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

export const durationMs = (min: number, extra = '') => whole('milliseconds', min, DURATION_MS_MAX, extra);

export function oneOf<const T extends readonly [string, ...string[]]>(...values: T) {
  return z.enum(values, { error: () => values.map((value) => `'${value}'`).join(' or ') });
}

export function text(what: string, accepts: (value: string) => boolean) {
  return z.string({ error: () => what }).refine(accepts, { error: () => what });
}

/** A name that stands in keys of the store: visible characters of ASCII. */
export function visibleName(lengthMax: number) {
  const pattern = new RegExp(`^[!-~]{1,${lengthMax}}$`);
  return text(`1 to ${lengthMax} visible characters without blanks`, (value) => pattern.test(value));
}

export function section<T extends z.core.$ZodLooseShape>(shape: T) {
  // Only for a wrong type: an unknown key keeps its own issue, which names the key.
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? undefined : 'an object with options'),
  });
}

/** Something that is handed on as it is. */
export function passedOn<T extends object>(what: string, alsoFunctions = false) {
  const accepts = (value: unknown): boolean =>
    (typeof value === 'object' && value !== null && !Array.isArray(value)) ||
    (alsoFunctions && typeof value === 'function');
  return z.custom<T>(accepts, { error: () => what });
}

export const flag = z.boolean({ error: () => 'true or false' });
