/**
 * Reads what somebody published. Anyone may have written there, also a newer version: a text that is no record is left
 * out, and a schema in it that cannot be used counts as "anything". Either way a warning names the service and says why;
 * nothing here throws.
 */
import { entityTypeFault, wireNameFault } from '../runtime/name-rule.js';
import {
  CONTRACT_SNAPSHOT_FORMAT,
  type ContractSnapshot,
  type EntityContract,
  type JsonSchema,
  type MessageContract,
  type ServiceRecord,
} from './contract-snapshot.js';
import { jsonSchemaFault } from './json-schema-check.js';
import type { ContractWarning } from './merge-records.js';

/** Characters of one record, and levels that it may be nested. */
export const RECORD_LENGTH_MAX = 16 * 1024 * 1024;
const NESTING_MAX = 256;
const TYPES_MAX = 10_000;
const MESSAGES_MAX = 100_000;
const NAME_LENGTH_MAX = 128;
/** Characters of the JSON text of one schema. */
const SCHEMA_LENGTH_MAX = 262_144;
/** Warnings about one record. */
const WARNINGS_MAX = 100;

export interface ReadRecord {
  /** Undefined when the text is no record. */
  readonly record: ServiceRecord | undefined;
  readonly warnings: readonly ContractWarning[];
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * @param label names the entry while its service is not known, e.g. its key.
 * @param life whose record it is, where that is kept apart.
 */
export function readServiceRecord(
  text: string,
  label: string,
  life?: Pick<ServiceRecord, 'incarnation' | 'startedAt'>,
): ReadRecord {
  const value = parsed(text);
  if (typeof value === 'string') return ignored(shownName(label), value);
  const said: Fields = { ...value, ...life };
  const { format, serviceName, group, incarnation, startedAt, entities } = said;
  const service = serviceNameFault(serviceName) === undefined ? (serviceName as string) : shownName(label);
  const formatFault = otherFormat(format);
  if (formatFault !== undefined) return ignored(service, formatFault);
  if (serviceNameFault(serviceName) !== undefined) return ignored(service, 'has no serviceName that can be one');
  if (!isName(group)) return ignored(service, 'has no group');
  if (!isName(incarnation)) return ignored(service, 'has no incarnation');
  if (!isObject(entities)) return ignored(service, 'has no entities');
  const reader = new EntitiesReader(service);
  const read = reader.entities(entities);
  if (typeof read === 'string') return ignored(service, read);
  const isTime = typeof startedAt === 'number' && Number.isFinite(startedAt) && startedAt >= 0;
  return {
    record: {
      format: CONTRACT_SNAPSHOT_FORMAT,
      serviceName: service,
      group,
      incarnation,
      ...(isTime && { startedAt }),
      entities: Object.fromEntries(read),
    },
    warnings: reader.warnings,
  };
}

/**
 * The snapshot in a text, for files that somebody kept.
 * @returns instead of the snapshot, the reason why the text is none; to follow the words "the file".
 */
export function readSnapshot(
  text: string,
): { readonly snapshot: ContractSnapshot; readonly warnings: readonly ContractWarning[] } | string {
  const value = parsed(text);
  if (typeof value === 'string') return value;
  const formatFault = otherFormat(value['format']);
  if (formatFault !== undefined) return formatFault;
  if (!isObject(value['entities'])) return 'has no entities';
  const given = value['entities'];
  const reader = new EntitiesReader('the snapshot');
  const read = reader.entities(given);
  if (typeof read === 'string') return read;
  const entities = read.map(([type, entity]): [string, EntityContract] => {
    const { group, services } = given[type] as Fields;
    return [
      type,
      {
        group: isName(group) ? group : '',
        services: Array.isArray(services) ? services.filter((each) => serviceNameFault(each) === undefined) : [],
        ...entity,
      },
    ];
  });
  return {
    snapshot: { format: CONTRACT_SNAPSHOT_FORMAT, entities: Object.fromEntries(entities) },
    warnings: reader.warnings,
  };
}

/** Undefined when `name` may be a service's name; otherwise what is expected. */
export function serviceNameFault(name: unknown): string | undefined {
  return isName(name) ? undefined : `1 to ${NAME_LENGTH_MAX} visible characters without blanks`;
}

class EntitiesReader {
  readonly warnings: ContractWarning[] = [];
  private messages = 0;

  constructor(private readonly service: string) {}

  entities(given: Fields): [string, ServiceRecord['entities'][string]][] | string {
    const entries = Object.entries(given);
    if (entries.length > TYPES_MAX) return `has more than ${TYPES_MAX} entity types`;
    const read: [string, ServiceRecord['entities'][string]][] = [];
    for (const [type, entity] of entries) {
      if (entityTypeFault(type) !== undefined) {
        this.warn(`it names an entity type ${shownName(type)}, which cannot be one; the type is left out`);
      } else if (!isObject(entity) || !isObject(entity['messages'])) {
        this.warn('it says nothing of the messages; the type is left out', type);
      } else {
        this.messages += Object.keys(entity['messages']).length;
        if (this.messages > MESSAGES_MAX) return `has more than ${MESSAGES_MAX} messages`;
        const { takesAnyName, defaultEntityId } = entity;
        read.push([
          type,
          {
            messages: Object.fromEntries(this.messagesOf(type, entity['messages'])),
            ...(takesAnyName === true && { takesAnyName }),
            ...(isText(defaultEntityId) && { defaultEntityId }),
          },
        ]);
      }
    }
    return read;
  }

  private messagesOf(type: string, given: Fields): [string, MessageContract][] {
    const read: [string, MessageContract][] = [];
    for (const [name, message] of Object.entries(given)) {
      if (wireNameFault(name) !== undefined) {
        this.warn(`it names a message ${shownName(name)}, which cannot be one; the message is left out`, type);
        continue;
      }
      if (!isObject(message) || (message['kind'] !== 'command' && message['kind'] !== 'query')) {
        this.warn('it is neither a command nor a query; the message is left out', type, name);
        continue;
      }
      const { kind, entityIdField } = message;
      const schema = this.schema(message, 'schema', type, name);
      const replySchema = this.schema(message, 'replySchema', type, name);
      read.push([
        name,
        {
          kind,
          ...(schema !== undefined && { schema }),
          ...(replySchema !== undefined && { replySchema }),
          ...(isText(entityIdField) && { entityIdField }),
        },
      ]);
    }
    return read;
  }

  private schema(message: Fields, what: 'schema' | 'replySchema', type: string, name: string): JsonSchema | undefined {
    if (!Object.hasOwn(message, what) || message[what] === undefined) return undefined;
    const schema = message[what];
    const fault =
      jsonSchemaFault(schema) ??
      (JSON.stringify(schema).length > SCHEMA_LENGTH_MAX
        ? `is longer than ${SCHEMA_LENGTH_MAX} characters`
        : undefined);
    if (fault === undefined) return schema as JsonSchema;
    this.warn(`its ${what} ${fault}; it counts as anything`, type, name);
    return undefined;
  }

  private warn(reason: string, entityType?: string, message?: string): void {
    if (this.warnings.length > WARNINGS_MAX) return;
    const { service } = this;
    if (this.warnings.length === WARNINGS_MAX)
      this.warnings.push({ service, reason: 'there is more that is wrong with it' });
    else this.warnings.push({ service, entityType, message, reason });
  }
}

function ignored(service: string, reason: string): ReadRecord {
  return { record: undefined, warnings: [{ service, reason: `its record ${reason}; it is ignored` }] };
}

function otherFormat(format: unknown): string | undefined {
  if (format === CONTRACT_SNAPSHOT_FORMAT) return undefined;
  return Number.isSafeInteger(format)
    ? `is of format ${String(format)}, and this version reads format ${CONTRACT_SNAPSHOT_FORMAT}`
    : 'does not say which format it has';
}

/** An object, or why the text is none. */
function parsed(text: string): Fields | string {
  if (text.length > RECORD_LENGTH_MAX) return `is longer than ${RECORD_LENGTH_MAX} characters`;
  if (isNestedDeeper(text, NESTING_MAX)) return `is nested deeper than ${NESTING_MAX} levels`;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : 'is not an object';
  } catch {
    return 'is not JSON';
  }
}

/** Looks at brackets outside of strings: what is to be read by functions that call themselves must not be deep. */
function isNestedDeeper(text: string, max: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (inString) {
      if (char === BACKSLASH) at += 1;
      else if (char === QUOTE) inString = false;
    } else if (char === QUOTE) inString = true;
    else if (char === BRACE || char === BRACKET) {
      depth += 1;
      if (depth > max) return true;
    } else if (char === BRACE_END || char === BRACKET_END) depth -= 1;
  }
  return false;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACE = 0x7b;
const BRACE_END = 0x7d;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[!-~]{1,128}$/.test(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= NAME_LENGTH_MAX;
}

/** A name that nobody has checked, safe to print. */
function shownName(name: string): string {
  const text = JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
  return text.replace(/[^\x20-\x7e…]/g, '?');
}
