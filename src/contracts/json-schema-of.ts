/**
 * The JSON Schema to publish for a declared schema: what the user gave, what zod makes of its own, or what the schema says
 * through the Standard JSON Schema extension. None of them: "anything", which is no fault.
 */
import { z } from 'zod';
import type { JsonSchema } from './contract-snapshot.js';
import { jsonSchemaFault } from './json-schema-check.js';
import type { DeclaredSchema } from './message-schema.js';
import type { StandardSchema } from './standard-schema.js';

/** The extension's converter: throws for what it cannot express. */
interface JsonSchemaSource {
  readonly jsonSchema?:
    | { readonly input?: ((options: { readonly target: string }) => unknown) | undefined }
    | undefined;
}

export interface PublishedSchema {
  readonly jsonSchema: JsonSchema | undefined;
  /** Why there is none, where one was to be expected; to follow the words "its schema". */
  readonly fault?: string | undefined;
}

export function jsonSchemaOf({ schema, jsonSchema: given }: DeclaredSchema): PublishedSchema {
  if (given !== undefined) return { jsonSchema: given };
  let made: unknown;
  try {
    made = convert(schema);
    // What stands in it besides JSON is for the library that made it.
    if (made !== undefined) made = JSON.parse(JSON.stringify(made));
  } catch (error) {
    return { jsonSchema: undefined, fault: `has no form as JSON Schema (${(error as Error).message})` };
  }
  if (made === undefined) return { jsonSchema: undefined };
  const fault = jsonSchemaFault(made);
  return fault === undefined ? { jsonSchema: made as JsonSchema } : { jsonSchema: undefined, fault };
}

function convert(schema: StandardSchema): unknown {
  if ('_zod' in schema) {
    // The form that is sent: without what defaults and transforms make of it.
    return z.toJSONSchema(schema as unknown as z.core.$ZodType, { io: 'input', unrepresentable: 'any' });
  }
  return (schema['~standard'] as JsonSchemaSource).jsonSchema?.input?.({ target: 'draft-2020-12' });
}
