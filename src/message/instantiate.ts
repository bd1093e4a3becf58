/**
 * Rebuilds a message from its data: an object with the class's prototype and the data as its own fields. The constructor
 * is not called, since what it did was done before the message was sent; so private `#fields` are not there.
 */
import { AtomicQueuesError } from '../runtime/error.js';
import { isPoisonedKey } from '../runtime/name-rule.js';
import { type ClassReference, classLabel } from './class-reference.js';

/**
 * An instance of `cls` with the own fields of `data`. Only for classes that are known here, never for a name out of a
 * message. Setters of the class are not called, and whatever the fields are named, no prototype changes.
 * @throws AtomicQueuesError `INVALID_PAYLOAD` when `data` is not an object.
 */
export function instantiate<T extends object>(cls: ClassReference<T>, data: unknown): T {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    const got = Array.isArray(data) ? 'an array' : data === null ? 'null' : `a ${typeof data}`;
    throw new AtomicQueuesError('INVALID_PAYLOAD', `Payload of ${classLabel(cls)}: expected an object, got ${got}.`);
  }
  const prototype = cls.prototype;
  const instance = Object.create(prototype) as Record<string, unknown>;
  for (const key of Object.keys(data)) {
    if (isPoisonedKey(key)) continue;
    const value = (data as Record<string, unknown>)[key];
    // An assignment could meet a setter of the class; otherwise it is the same, and much faster.
    if (key in prototype) {
      Object.defineProperty(instance, key, { value, enumerable: true, configurable: true, writable: true });
    } else {
      instance[key] = value;
    }
  }
  return instance as T;
}
