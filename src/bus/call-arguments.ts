/**
 * What callers hand to the bus, checked before anything of it reaches the store: plain JavaScript, an `any` or an unset
 * variable can bring anything here. Every fault is a rejection with a named code.
 */
import type { EnqueueOptions } from '../entity/submission.js';
import { AtomicQueuesError } from '../message/errors.js';
import { validateEntityId } from '../message/message-class.js';
import { entityTypeFault, wireNameFault } from '../runtime/name-rule.js';
import { nearestName } from '../runtime/nearest-name.js';

/** Characters of a message's own id; those that the library gives are far shorter. */
const ID_LENGTH_MAX = 512;
/** Characters of a wrong value that an error repeats. */
const SHOWN_MAX = 60;

/** A whole entity type, or one entity of it. */
export interface Scope {
  readonly entityType: string;
  readonly entityId: string | undefined;
}

/** @throws AtomicQueuesError `INVALID_PAYLOAD` unless `id` is a string of 1 to 512 characters. */
export function checkedId(id: unknown, method: string): string {
  if (typeof id === 'string' && id.length > 0 && id.length <= ID_LENGTH_MAX) return id;
  throw new AtomicQueuesError(
    'INVALID_PAYLOAD',
    `${method} takes the id that enqueue resolved to, a string of 1 to ${ID_LENGTH_MAX} characters; got ${shown(id)}.`,
  );
}

/**
 * The (entityType, entityId) of a call. An entityId that is there but undefined is refused: it stands for a variable that
 * is not set, and leaving it out means the whole type.
 * @throws AtomicQueuesError `INVALID_PAYLOAD` or `ENTITY_ID_MISSING`.
 */
export function checkedScope(args: readonly unknown[], method: string): Scope {
  const [entityType, entityId] = args;
  const type = checkedType(entityType, method);
  return { entityType: type, entityId: args.length < 2 ? undefined : validateEntityId(entityId, type) };
}

/** @throws AtomicQueuesError `INVALID_PAYLOAD` unless it may be an entity type. */
export function checkedType(entityType: unknown, method: string): string {
  const fault = entityTypeFault(entityType);
  if (fault === undefined) return entityType as string;
  throw new AtomicQueuesError(
    'INVALID_PAYLOAD',
    `The entity type of ${method} is ${shown(entityType)}; expected ${fault}.`,
  );
}

/** @throws AtomicQueuesError `INVALID_PAYLOAD` unless it may be the wire name of a message. */
export function checkedName(name: unknown, method: string): string {
  const fault = wireNameFault(name);
  if (fault === undefined) return name as string;
  throw new AtomicQueuesError('INVALID_PAYLOAD', `The message name of ${method} is ${shown(name)}; expected ${fault}.`);
}

/** @throws AtomicQueuesError `INVALID_PAYLOAD` unless options are left out or an object. What is in it, others check. */
export function checkedOptions<T extends EnqueueOptions>(options: T | undefined): T | Record<string, never> {
  if (options === undefined) return {};
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return options;
  throw new AtomicQueuesError('INVALID_PAYLOAD', `The options must be an object; got ${shown(options)}.`);
}

/** @throws AtomicQueuesError `INVALID_PAYLOAD` unless it is an array, and one `messageId` is not for several messages. */
export function checkedBulk(messages: unknown, options: EnqueueOptions | undefined): readonly object[] {
  if (!Array.isArray(messages)) {
    throw new AtomicQueuesError('INVALID_PAYLOAD', `enqueueBulk takes an array of messages; got ${shown(messages)}.`);
  }
  if (messages.length > 1 && checkedOptions(options).messageId !== undefined) {
    throw new AtomicQueuesError(
      'INVALID_PAYLOAD',
      `enqueueBulk got one messageId for ${messages.length} messages, and a key names one message. Leave it out, or enqueue them one by one.`,
    );
  }
  return messages as readonly object[];
}

export function unknownEntityType(entityType: string, known: Iterable<string>): AtomicQueuesError {
  const types = [...new Set(known)];
  const near = nearestName(entityType, types);
  return new AtomicQueuesError(
    'UNKNOWN_ENTITY_TYPE',
    `Entity type "${entityType}" is not known here.${near === undefined ? '' : ` Did you mean "${near}"?`} Known: ${types.join(', ') || 'none'}.`,
    { subject: { entityType } },
  );
}

/** A value in short. Objects are not spelled out: they may hold secrets. */
function shown(value: unknown): string {
  if (typeof value === 'string') {
    return value.length > SHOWN_MAX ? `a string of ${value.length} characters` : JSON.stringify(value);
  }
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}
