/** What those hear whose messages or replies are not of the form that is agreed, and those who contradict each other. */
import type { ErrorDescription } from '../message/envelope.js';
import { AtomicQueuesError, type ErrorSubject } from '../runtime/error.js';
import { FAULTS_MAX, type ValueFault } from './json-schema-rules.js';
import type { ContractConflict } from './merge-records.js';
import { printable } from './printable.js';

/** In `details.refused` of what the owner of an entity refused before the handler. */
const AT_ARRIVAL = 'before-handler';
/** Characters of one fault's words. */
const FAULT_LENGTH_MAX = 200;

/** @param service the one that published the schema, when it is another one. */
export function invalidPayload(
  subject: ErrorSubject,
  faults: readonly ValueFault[],
  at: 'sending' | 'arrival',
  services?: readonly string[],
): AtomicQueuesError {
  const whose = services === undefined ? 'its schema' : `the schema that ${named(services)} published`;
  const when = at === 'arrival' ? ' Its handler was not called.' : '';
  return new AtomicQueuesError(
    'INVALID_PAYLOAD',
    `The payload of "${subject.name ?? ''}"${whom(subject)} does not match ${whose}: ${listed(faults)}.${when}`,
    { subject, details: { fields: fields(faults), ...(at === 'arrival' && { refused: AT_ARRIVAL }) } },
  );
}

/** The message has done its work: only its reply cannot be given to anyone. */
export function invalidReply(subject: ErrorSubject, faults: readonly ValueFault[]): AtomicQueuesError {
  return new AtomicQueuesError(
    'INVALID_PAYLOAD',
    `"${subject.name ?? ''}"${whom(subject)} has completed, but its reply does not match its reply schema: ${listed(faults)}. Do not send it again.`,
    { subject, retryable: false, details: { completed: true, fields: fields(faults) } },
  );
}

/** The error of a reply that another node did not give out, made from what it said of it. */
export function replyRefused(subject: ErrorSubject, { message, data }: ErrorDescription): AtomicQueuesError {
  return new AtomicQueuesError('INVALID_PAYLOAD', message, {
    subject,
    retryable: false,
    details: { completed: true, ...(data?.['details'] as object | undefined) },
  });
}

/** A reply that should have come with the verdict did not. */
export function replyMissing(subject: ErrorSubject): AtomicQueuesError {
  return new AtomicQueuesError(
    'INVALID_PAYLOAD',
    `"${subject.name ?? ''}"${whom(subject)} has completed, but there is no reply that matches its reply schema. Do not send it again.`,
    { subject, retryable: false, details: { completed: true, fields: [] } },
  );
}

/**
 * The error of a message that was refused before its handler, made from what the store has of it; undefined when its handler
 * ran.
 */
export function refusedAtArrival(
  subject: ErrorSubject,
  { message, data }: ErrorDescription,
  cause: unknown,
): AtomicQueuesError | undefined {
  const details = data?.['details'] as { readonly refused?: unknown } | null | undefined;
  if (data?.['code'] !== 'INVALID_PAYLOAD' || details?.refused !== AT_ARRIVAL) return undefined;
  return new AtomicQueuesError('INVALID_PAYLOAD', message, { subject, cause, details: { ...details } });
}

/** @param own the service that is about to start. */
export function schemaConflict(conflicts: readonly ContractConflict[], own: string): AtomicQueuesError {
  const lines = conflicts.slice(0, FAULTS_MAX).map(conflictText);
  const more = conflicts.length > FAULTS_MAX ? [`and ${conflicts.length - FAULTS_MAX} more`] : [];
  const [first] = conflicts;
  return new AtomicQueuesError(
    'SCHEMA_CONFLICT',
    `Service "${own}" says something else of messages that another live service owns as well:\n${[...lines, ...more].map((line) => `  - ${line}`).join('\n')}\nLet both say the same, or give the processes of one service one registry.serviceName.`,
    {
      subject: { entityType: first?.entityType, name: first?.message },
      details: { conflicts: [...conflicts] },
    },
  );
}

export function conflictText({ entityType, message, what, services, difference }: ContractConflict): string {
  const [believed, other] = services;
  const where = message === undefined ? `entity type "${entityType}"` : `"${message}" of entity type "${entityType}"`;
  return `${where}, ${WHAT[what]}, services "${believed}" and "${other}": ${difference}`;
}

const WHAT: Readonly<Record<ContractConflict['what'], string>> = {
  group: 'service group',
  kind: 'kind',
  schema: 'schema of the payload',
  replySchema: 'schema of the reply',
};

/** `amount`, `lines[2].sku`; the whole value is `(payload)`. */
function pathText(path: ValueFault['path']): string {
  if (path.length === 0) return '(payload)';
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      return /^[A-Za-z_$][\w$]*$/.test(key) ? `${index === 0 ? '' : '.'}${key}` : `[${JSON.stringify(key)}]`;
    })
    .join('');
}

function fields(faults: readonly ValueFault[]): { readonly field: string; readonly message: string }[] {
  return faults
    .slice(0, FAULTS_MAX)
    .map(({ path, message }) => ({ field: short(pathText(path)), message: short(message) }));
}

function listed(faults: readonly ValueFault[]): string {
  const texts = fields(faults).map(({ field, message }) => `${field}: ${message.replace(/\.$/, '')}`);
  return faults.length > FAULTS_MAX ? `${texts.join('; ')}; and ${faults.length - FAULTS_MAX} more` : texts.join('; ');
}

function short(text: string): string {
  return printable(text.length > FAULT_LENGTH_MAX ? `${text.slice(0, FAULT_LENGTH_MAX)}…` : text);
}

function named(services: readonly string[]): string {
  return services.length === 0 ? 'its owner' : services.map((service) => `"${service}"`).join(' and ');
}

function whom({ entityType, entityId }: ErrorSubject): string {
  if (entityType === undefined) return '';
  return entityId === undefined ? ` of entity type "${entityType}"` : ` for ${entityType} "${entityId}"`;
}
