/**
 * The part of the Standard Schema interface (version 1, https://standardschema.dev) that is used here, and its Standard
 * JSON Schema extension. zod 4, Valibot, ArkType and others bring it.
 */
import { AtomicQueuesError } from '../runtime/error.js';
import type { ValueFault } from './json-schema-rules.js';

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard: unknown = (value as Partial<StandardSchema>)['~standard'];
  return (
    typeof standard === 'object' &&
    standard !== null &&
    (standard as { version?: unknown }).version === 1 &&
    typeof (standard as { validate?: unknown }).validate === 'function'
  );
}

/**
 * What the schema finds wrong; empty when nothing is.
 * @param where what has the schema, e.g. `The schema of "Deposit"`.
 * @throws AtomicQueuesError `CONFIG_INVALID` for a schema that answers with a promise: messages are checked between two
 *   steps that must not be parted.
 */
export function standardFaults(schema: StandardSchema, value: unknown, where: string): readonly ValueFault[] {
  const result = schema['~standard'].validate(value);
  if (isPromise(result)) {
    // Nobody will look at how it ends.
    result.then(undefined, () => {});
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `${where} is asynchronous: it answers with a promise. Messages are checked without waiting; leave what must be looked up to the handler.`,
    );
  }
  return result.issues === undefined ? NO_FAULTS : result.issues.map(toFault);
}

const NO_FAULTS: readonly ValueFault[] = Object.freeze([]);

function toFault({ message, path = [] }: StandardIssue): ValueFault {
  const keys = path.map((step) => (typeof step === 'object' && step !== null ? step.key : step));
  return { path: keys.map((key) => (typeof key === 'symbol' ? String(key) : key)), message };
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | undefined)?.then === 'function';
}
