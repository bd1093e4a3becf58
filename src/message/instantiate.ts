/**
 * Makes the data of a message an instance of its class: an object with the class's prototype and the data as its own
 * fields. The constructor is not called, since what it did was done before the message was sent; so private `#fields` are
 * not there.
 */
import { AtomicQueuesError } from '../runtime/error.js';
import { type ClassReference, classLabel } from './class-reference.js';

/**
 * Makes `data`, which was parsed for this and which `decodePayload` has let through, an instance of `cls`. Only for classes
 * that are known here, never for a name out of a message. It is the same object, which saves a copy of every field: those
 * are its own already, so no setter of the class is called, and no prototype changes. A schema may have frozen the data
 * when it looked at it; then it is a copy.
 * @throws AtomicQueuesError `INVALID_PAYLOAD` when `data` is not an object.
 */
export function instantiate<T extends object>(cls: ClassReference<T>, data: unknown): T {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    const got = Array.isArray(data) ? 'an array' : data === null ? 'null' : `a ${typeof data}`;
    throw new AtomicQueuesError('INVALID_PAYLOAD', `Payload of ${classLabel(cls)}: expected an object, got ${got}.`);
  }
  if (Object.isExtensible(data)) return Object.setPrototypeOf(data, cls.prototype) as T;
  const copy = Object.create(cls.prototype) as T;
  for (const [key, value] of Object.entries(data)) {
    Object.defineProperty(copy, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return copy;
}
