/**
 * What changed between two snapshots, and whether it breaks those who were written against the older one. Pure.
 *
 * A payload that was fine must stay fine, so payloads may only be opened wider. A reply must stay what was promised, so
 * replies may only be narrowed; more fields in it harm nobody.
 */
import type { ContractSnapshot, EntityContract, JsonSchema, MessageContract } from './contract-snapshot.js';
import { schemaDifference } from './schema-difference.js';
import { type Misfit, misfits } from './schema-fit.js';

export interface ContractChange {
  readonly breaking: boolean;
  readonly entityType: string;
  /** Wire name; undefined when it is about the type. */
  readonly message?: string | undefined;
  /** Where in the payload or the reply. */
  readonly in?: 'payload' | 'reply' | undefined;
  readonly path?: string | undefined;
  /** Words without a full stop. */
  readonly text: string;
}

/** Characters of a value that a change shows. */
const SHOWN_MAX = 60;

/** All changes in the order of types and messages, the breaking ones of a message first. */
export function contractChanges(before: ContractSnapshot, after: ContractSnapshot): ContractChange[] {
  return namesOf(before.entities, after.entities).flatMap((entityType) => {
    const [was, is] = [own(before.entities, entityType), own(after.entities, entityType)];
    if (was === undefined) return [{ breaking: false, entityType, text: 'the entity type is new' }];
    if (is === undefined) return [{ breaking: true, entityType, text: 'the entity type is gone' }];
    return entityChanges(entityType, was, is);
  });
}

function entityChanges(entityType: string, was: EntityContract, is: EntityContract): ContractChange[] {
  const changes: ContractChange[] = [];
  const tell = (breaking: boolean, text: string): void => void changes.push({ breaking, entityType, text });
  if (was.group !== is.group) tell(false, `its service group is '${is.group}' instead of '${was.group}'`);
  if (was.takesAnyName === true && is.takesAnyName !== true) tell(true, 'it no longer takes messages of any name');
  if (was.takesAnyName !== true && is.takesAnyName === true) tell(false, 'it takes messages of any name');
  const messages = namesOf(was.messages, is.messages).flatMap((message) => {
    const [old, now] = [own(was.messages, message), own(is.messages, message)];
    if (old === undefined) {
      return [{ breaking: false, entityType, message, text: 'the message is new' }];
    }
    if (now === undefined) {
      return is.takesAnyName === true
        ? [{ breaking: false, entityType, message, text: 'the message is taken among those of any name' }]
        : [{ breaking: true, entityType, message, text: 'the message is gone' }];
    }
    const ids = [old.entityIdField ?? was.defaultEntityId, now.entityIdField ?? is.defaultEntityId] as const;
    const found = messageChanges(entityType, message, old, now, ids);
    return [...found.filter(({ breaking }) => breaking), ...found.filter(({ breaking }) => !breaking)];
  });
  return [...changes, ...messages];
}

function messageChanges(
  entityType: string,
  message: string,
  was: MessageContract,
  is: MessageContract,
  [oldId, newId]: readonly [string | undefined, string | undefined],
): ContractChange[] {
  const changes: ContractChange[] = [];
  if (was.kind !== is.kind) {
    changes.push({ breaking: true, entityType, message, text: `it is a ${is.kind} instead of a ${was.kind}` });
  }
  if (oldId !== newId) {
    const text =
      newId === undefined
        ? `the field '${oldId}' no longer holds the entity's id`
        : `the entity's id is in the field '${newId}'${oldId === undefined ? '' : ` instead of '${oldId}'`}`;
    changes.push({ breaking: oldId !== undefined && newId !== undefined, entityType, message, text });
  }
  const subject = { entityType, message };
  return [
    ...changes,
    ...payloadChanges(was.schema ?? true, is.schema ?? true).map((change) => ({
      ...subject,
      in: 'payload' as const,
      ...change,
    })),
    ...replyChanges(was.replySchema ?? true, is.replySchema ?? true).map((change) => ({
      ...subject,
      in: 'reply' as const,
      ...change,
    })),
  ];
}

type SchemaChange = Pick<ContractChange, 'breaking' | 'path' | 'text'>;

function payloadChanges(was: JsonSchema, is: JsonSchema): SchemaChange[] {
  const narrower = misfits(was, is, { ignoreOthers: false });
  if (narrower.length > 0) return narrower.map((misfit) => change(true, misfit, payloadText(misfit.what)));
  return compatible(was, is, 'it takes more than before', {
    added: (name) => `there is a new field '${name}', which may be left out`,
    removed: (name) => `the field '${name}' is no longer described`,
  });
}

function replyChanges(was: JsonSchema, is: JsonSchema): SchemaChange[] {
  const wider = misfits(is, was, { ignoreOthers: true });
  if (wider.length > 0) return wider.map((misfit) => change(true, misfit, replyText(misfit.what)));
  return compatible(was, is, 'it promises more than before', {
    added: (name) => `there is a new field '${name}'`,
    removed: (name) => `the field '${name}', which could be missing, is no longer described`,
  });
}

function compatible(
  was: JsonSchema,
  is: JsonSchema,
  otherwise: string,
  texts: { readonly added: (name: string) => string; readonly removed: (name: string) => string },
): SchemaChange[] {
  const difference = schemaDifference(was, is);
  if (difference === undefined) return [];
  const [old, now] = [fieldsOf(was), fieldsOf(is)];
  const added = now.filter((name) => !old.includes(name)).map((name) => texts.added(shownText(name)));
  const removed = old.filter((name) => !now.includes(name)).map((name) => texts.removed(shownText(name)));
  const all = [...added, ...removed];
  return (all.length > 0 ? all : [`${otherwise} (${difference})`]).map((text) => ({ breaking: false, text }));
}

function fieldsOf(schema: JsonSchema): string[] {
  const properties = typeof schema === 'object' ? schema['properties'] : undefined;
  return typeof properties === 'object' && properties !== null ? Object.keys(properties).sort() : [];
}

function change(breaking: boolean, { path }: Misfit, text: string): SchemaChange {
  return { breaking, ...(path !== '' && { path }), text };
}

function payloadText(what: Misfit['what']): string {
  switch (what.kind) {
    case 'required':
      return `the field '${shownText(what.name)}' is required${what.isKnown ? ' and could be left out before' : ''}`;
    case 'field':
      return `the field '${shownText(what.name)}' is no longer accepted`;
    case 'types':
      return `${what.types.join(', ')} is no longer accepted`;
    case 'values':
      return `${shownList(what.values)} is no longer accepted`;
    case 'only':
      return `only ${shownList(what.values)} is accepted`;
    case 'rule':
      return `${what.keyword} is ${shown(what.there)}, before: ${shown(what.here)}`;
    case 'others':
      return 'fields that are not described are no longer accepted';
    case 'nothing':
      return 'nothing is accepted any more';
    case 'unclear':
      return `${what.keyword} changed, and whether it takes in what it did cannot be told`;
  }
}

function replyText(what: Misfit['what']): string {
  switch (what.kind) {
    case 'required':
      return what.isKnown
        ? `the field '${shownText(what.name)}' may be missing`
        : `the field '${shownText(what.name)}' is gone`;
    case 'field':
      return `there may be a field '${shownText(what.name)}'`;
    case 'types':
      return `it may be ${what.types.join(', ')}`;
    case 'values':
      return `it may be ${shownList(what.values)}`;
    case 'only':
      return `it may be something else than ${shownList(what.values)}`;
    case 'rule':
      return `${what.keyword} is ${shown(what.here)}, before: ${shown(what.there)}`;
    case 'others':
      return 'there may be other fields';
    case 'nothing':
      return 'nothing could be answered before';
    case 'unclear':
      return `${what.keyword} changed, and whether it is what it was cannot be told`;
  }
}

function shownList(values: readonly unknown[]): string {
  const some = values.slice(0, 8).map(shown).join(', ');
  return values.length > 8 ? `${some} and ${values.length - 8} more` : some;
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value) && value.length === 1) return shown(value[0]);
  return shownText(JSON.stringify(value));
}

/** What came from elsewhere is cut and stays on its line. */
function shownText(text: string): string {
  const visible = text.replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '?');
  return visible.length > SHOWN_MAX ? `${visible.slice(0, SHOWN_MAX)}…` : visible;
}

function namesOf(...records: readonly Readonly<Record<string, unknown>>[]): string[] {
  return [...new Set(records.flatMap((record) => Object.keys(record)))].sort();
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
