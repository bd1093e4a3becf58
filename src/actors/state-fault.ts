/** `STATE_INVALID`: how it is worded for a value that cannot be stored and for a text that is no stored state. */
import { AtomicQueuesError, type ErrorSubject } from '../message/errors.js';

/** Whose state it is, for messages to people and for programs. */
export interface StateOwner {
  readonly entityType: string;
  /** Undefined for the defaults of the actor's constructor. */
  readonly entityId?: string | undefined;
}

/** The value at `path` cannot be stored; `reason` follows it, e.g. "is a Promise". */
export function unstorable(owner: StateOwner, path: string, reason: string, cause?: unknown): AtomicQueuesError {
  return new AtomicQueuesError('STATE_INVALID', `${stateOf(owner)}: ${path} ${reason}.`, {
    subject: subjectOf(owner),
    details: { path },
    cause,
  });
}

/** What is stored cannot be used; it is left as it is. */
export function unreadable(owner: StateOwner, reason: string, cause?: unknown): AtomicQueuesError {
  return new AtomicQueuesError('STATE_INVALID', `${stateOf(owner)} cannot be read: ${reason}. It stays as it is.`, {
    subject: subjectOf(owner),
    cause,
  });
}

function stateOf({ entityType, entityId }: StateOwner): string {
  return entityId === undefined
    ? `The initial state of actor ${entityType}`
    : `State of ${entityType} ${JSON.stringify(entityId)}`;
}

function subjectOf({ entityType, entityId }: StateOwner): ErrorSubject {
  return entityId === undefined ? { entityType } : { entityType, entityId };
}

/** The path of a field below `path`: `cart.items`, `cart["two words"]`. */
export function fieldPath(path: string, key: string): string {
  if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}
