/**
 * From values to what JSON keeps as it is. `isStorablePlain` looks, without allocating, whether a value is plain all
 * through, which nearly all are; only one that is not is copied, with tags in place of what JSON does not have. Whatever a
 * copy could not bring back exactly is refused with the path to it.
 *
 * Two things are not seen: fields with symbol keys, and fields that are set on an array besides its items.
 */
import { types } from 'node:util';
import { fieldPath, type StateOwner, unstorable } from './state-fault.js';
import { looksLikeTag, TAGS } from './state-tags.js';

/** How deep a state may be nested. */
export const STATE_DEPTH_MAX = 100;

/** Objects looked at for one field at most: what is reachable in many ways would else be walked for ever. */
const OBJECTS_MAX = 2_000_000;

let objectsSeen = 0;

/** To be called before a field is looked at. */
export function beginField(): void {
  objectsSeen = 0;
}

/** Whether JSON keeps the value as it is. False also where it would take longer to tell. */
export function isStorablePlain(value: unknown): boolean {
  return isPlainItem(value, 0);
}

function isPlainContainer(value: object, depth: number): boolean {
  objectsSeen += 1;
  if (depth > STATE_DEPTH_MAX || objectsSeen > OBJECTS_MAX) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Array.prototype) {
    const items = value as readonly unknown[];
    for (let index = 0; index < items.length; index += 1) if (!isPlainItem(items[index], depth)) return false;
    return true;
  }
  if (prototype !== Object.prototype) return false;
  let count = 0;
  let first = '';
  // Much faster than Object.keys. What others have put on Object.prototype is looked at too, and does no harm.
  for (const key in value) {
    if (count === 0) first = key;
    count += 1;
    if (!isPlainItem((value as Record<string, unknown>)[key], depth)) return false;
  }
  return count !== 1 || !first.startsWith('$');
}

/** `depth`: of what it is an item of; 0 for a field of the state. */
function isPlainItem(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return true;
  return typeof value === 'object' && value !== null ? isPlainContainer(value, depth + 1) : isPlainScalar(value);
}

function isPlainScalar(value: unknown): boolean {
  switch (typeof value) {
    case 'number':
      return value === 0 ? 1 / value > 0 : Number.isFinite(value);
    case 'string':
    case 'boolean':
      return true;
    default:
      return value === null;
  }
}

/**
 * A copy of `value` that JSON keeps as it is.
 * @throws AtomicQueuesError `STATE_INVALID` naming the path below `path` and the reason.
 */
export function taggedCopy(value: unknown, path: string, owner: StateOwner): unknown {
  return new Copying(owner).copy(value, path);
}

class Copying {
  /** Objects on the way from the top to here: meeting one again is a circle. */
  private readonly ancestors = new Set<object>();

  constructor(private readonly owner: StateOwner) {}

  copy(value: unknown, path: string): unknown {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value;
      case 'number':
        return this.copyNumber(value, path);
      case 'bigint':
        return { [TAGS.bigint]: String(value) };
      case 'undefined':
        return { [TAGS.undefined]: true };
      case 'object':
        return value === null ? null : this.copyObject(value, path);
      default:
        return this.refuse(path, `is a ${typeof value}, which cannot be stored; ${HINT}`);
    }
  }

  private copyNumber(value: number, path: string): unknown {
    if (!Number.isFinite(value)) return this.refuse(path, `is ${value}, which cannot be stored: use null`);
    return Object.is(value, -0) ? { [TAGS.number]: '-0' } : value;
  }

  private copyObject(value: object, path: string): unknown {
    if (this.ancestors.has(value)) return this.refuse(path, 'is circular: it contains itself');
    if (this.ancestors.size >= STATE_DEPTH_MAX) {
      return this.refuse(path, `is nested deeper than ${STATE_DEPTH_MAX} levels`);
    }
    objectsSeen += 1;
    if (objectsSeen > OBJECTS_MAX) return this.refuse(path, `comes after ${OBJECTS_MAX} objects, which is too many`);
    this.ancestors.add(value);
    const copy = this.copyByKind(value, path);
    this.ancestors.delete(value);
    return copy;
  }

  /** Objects of another realm (a `vm` context, a test runner's) are told by what they are, subclasses by their chain. */
  private copyByKind(value: object, path: string): unknown {
    const levels = prototypesOf(value);
    if (levels === 0) return { [TAGS.dictionary]: this.copyFields(value, path) };
    if (Array.isArray(value)) return levels === 2 ? this.copyItems(value, path) : this.refuseInstance(value, path);
    if (levels === 1) {
      if (!Object.hasOwn(Object.getPrototypeOf(value) as object, 'hasOwnProperty')) this.refuseInstance(value, path);
      const fields = this.copyFields(value, path);
      return looksLikeTag(Object.keys(fields)) ? { [TAGS.object]: fields } : fields;
    }
    if (Buffer.isBuffer(value)) return { [TAGS.buffer]: value.toString('base64') };
    if (types.isUint8Array(value) && levels === 3) {
      return { [TAGS.bytes]: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
    }
    if (levels !== 2) return this.refuseInstance(value, path);
    if (types.isDate(value)) {
      if (Number.isNaN(value.getTime())) return this.refuse(path, 'is an invalid Date');
      return { [TAGS.date]: value.toISOString() };
    }
    if (types.isMap(value)) return { [TAGS.map]: this.copyEntries(value, path) };
    if (types.isSet(value)) {
      return { [TAGS.set]: this.copyMembers(value, path) };
    }
    return this.refuseInstance(value, path);
  }

  private copyItems(items: readonly unknown[], path: string): unknown[] {
    const copy: unknown[] = [];
    for (let index = 0; index < items.length; index += 1) {
      const item = items[index];
      if (item === undefined && !(index in items)) {
        this.refuse(`${path}[${index}]`, 'is a hole in a sparse array: use null');
      }
      copy.push(isPlainItem(item, this.ancestors.size) ? item : this.copy(item, `${path}[${index}]`));
    }
    return copy;
  }

  private copyFields(value: object, path: string): Record<string, unknown> {
    const copy: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const given = this.read(value, key, path);
      const field = isPlainItem(given, this.ancestors.size) ? given : this.copy(given, fieldPath(path, key));
      if (key === '__proto__') Object.defineProperty(copy, key, { value: field, enumerable: true });
      else copy[key] = field;
    }
    return copy;
  }

  private copyEntries(map: ReadonlyMap<unknown, unknown>, path: string): [unknown, unknown][] {
    const copy: [unknown, unknown][] = [];
    for (const [key, value] of map) {
      const index = copy.length;
      copy.push([
        isPlainItem(key, this.ancestors.size) ? key : this.copy(key, `${path}.keys()[${index}]`),
        isPlainItem(value, this.ancestors.size) ? value : this.copy(value, valuePath(path, key, index)),
      ]);
    }
    return copy;
  }

  private copyMembers(set: ReadonlySet<unknown>, path: string): unknown[] {
    const copy: unknown[] = [];
    for (const item of set) {
      copy.push(isPlainItem(item, this.ancestors.size) ? item : this.copy(item, `${path}.values()[${copy.length}]`));
    }
    return copy;
  }

  private read(value: object, key: string, path: string): unknown {
    try {
      return (value as Record<string, unknown>)[key];
    } catch (cause) {
      throw unstorable(this.owner, fieldPath(path, key), 'threw when it was read', cause);
    }
  }

  private refuseInstance(value: object, path: string): never {
    if (types.isProxy(value)) return this.refuse(path, `is a proxy, which cannot be stored; ${HINT}`);
    const name: unknown = (Object.getPrototypeOf(value) as { constructor?: { name?: unknown } }).constructor?.name;
    const what = typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an instance of a class';
    return this.refuse(path, `is ${what}, which cannot be stored; ${HINT}`);
  }

  private refuse(path: string, reason: string): never {
    throw unstorable(this.owner, path, reason);
  }
}

const HINT =
  'state is plain data, Map, Set, Date, BigInt and bytes. Keep its content as plain data, or mark the field with ' +
  '@Transient() if it is not part of the state';

function valuePath(path: string, key: unknown, index: number): string {
  const isSimple = typeof key === 'string' || typeof key === 'number';
  return isSimple ? `${path}.get(${JSON.stringify(key)})` : `${path}.values()[${index}]`;
}

/** How many prototypes an object has: 0 for one without, 1 for a plain one, 2 for a Map or an instance of a class. */
function prototypesOf(value: object): number {
  let levels = 0;
  for (let at: object | null = Object.getPrototypeOf(value); at !== null; at = Object.getPrototypeOf(at)) levels += 1;
  return levels;
}
