/**
 * `@MessageSchema` and `@ReplySchema`: what the payload of a message class and its handler's result must look like. Both take
 * a zod 4 schema or any other Standard Schema, and are kept with what the other decorators say of the class.
 */
import { classChain, ownMetadata, writableMetadata } from '../message/class-metadata.js';
import { classLabel } from '../message/class-reference.js';
import { AtomicQueuesError } from '../runtime/error.js';
import type { JsonSchema } from './contract-snapshot.js';
import { jsonSchemaFault } from './json-schema-check.js';
import { isStandardSchema, type StandardSchema } from './standard-schema.js';

export interface SchemaOptions {
  /**
   * The same as JSON Schema (draft 2020-12), to publish. Only for schemas that cannot tell it themselves: zod 4 and every
   * Standard Schema with the Standard JSON Schema extension can. Default: what the schema tells, else "anything".
   */
  readonly jsonSchema?: JsonSchema | undefined;
}

export interface DeclaredSchema {
  readonly schema: StandardSchema;
  readonly jsonSchema: JsonSchema | undefined;
}

export interface DeclaredContract {
  readonly schema: DeclaredSchema | undefined;
  readonly replySchema: DeclaredSchema | undefined;
}

/**
 * Declares what the payload must look like. It is checked where a message is sent and again before its handler runs; the
 * handler gets the payload as it was sent, whatever the schema would have made of it.
 * @throws AtomicQueuesError `CONFIG_INVALID` for what is no Standard Schema, and for a second one on the class.
 */
export function MessageSchema(schema: StandardSchema, options: SchemaOptions = {}): ClassDecorator {
  return declare('schema', '@MessageSchema', schema, options);
}

/**
 * Declares what the handler's result must look like. A result that does not fit is told to who waits for it; the message
 * has done its work and counts as completed.
 * @throws AtomicQueuesError `CONFIG_INVALID`, as `MessageSchema`.
 */
export function ReplySchema(schema: StandardSchema, options: SchemaOptions = {}): ClassDecorator {
  return declare('replySchema', '@ReplySchema', schema, options);
}

/** What a class declares, or inherits. */
export function declaredContract(cls: object): DeclaredContract {
  return { schema: nearest(cls, 'schema'), replySchema: nearest(cls, 'replySchema') };
}

/** @throws AtomicQueuesError `CONFIG_INVALID` when it cannot be used; `where` begins the message. */
export function checkedSchema(schema: unknown, { jsonSchema }: SchemaOptions, where: string): DeclaredSchema {
  if (!isStandardSchema(schema)) {
    throw new AtomicQueuesError(
      'CONFIG_INVALID',
      `${where}: expected a schema of zod 4 or another one with the Standard Schema interface ("~standard"); a bare JSON Schema checks nothing by itself.`,
    );
  }
  const fault = jsonSchema === undefined ? undefined : jsonSchemaFault(jsonSchema);
  if (fault !== undefined) throw new AtomicQueuesError('CONFIG_INVALID', `${where}: the given jsonSchema ${fault}.`);
  return Object.freeze({ schema, jsonSchema });
}

type What = 'schema' | 'replySchema';

function declare(what: What, decorator: string, schema: StandardSchema, options: SchemaOptions): ClassDecorator {
  return (cls) => {
    const where = `${decorator} on ${classLabel(cls)}`;
    const declared = checkedSchema(schema, options, where);
    const metadata = writableMetadata(cls);
    if (metadata[what] !== undefined) {
      throw new AtomicQueuesError('CONFIG_INVALID', `${where}: the class has a schema already. Keep one.`);
    }
    metadata[what] = declared;
  };
}

function nearest(cls: object, what: What): DeclaredSchema | undefined {
  for (const at of classChain(cls)) {
    const found = ownMetadata(at)?.[what];
    if (found !== undefined) return found as DeclaredSchema;
  }
  return undefined;
}
