/**
 * What a commit changes of one kind. There are some thirty kinds and a commit touches few of them, so each has its map only
 * from the first change on: for a commit of one message, making all of them at once cost more than its transitions.
 */
const NONE: readonly never[] = [];

export class Changes<K, V> implements Iterable<[K, V]> {
  #map: Map<K, V> | undefined;

  get size(): number {
    return this.#map === undefined ? 0 : this.#map.size;
  }

  get(key: K): V | undefined {
    return this.#map?.get(key);
  }

  has(key: K): boolean {
    return this.#map?.has(key) === true;
  }

  set(key: K, value: V): void {
    this.#map ??= new Map();
    this.#map.set(key, value);
  }

  delete(key: K): void {
    this.#map?.delete(key);
  }

  values(): Iterable<V> {
    return this.#map?.values() ?? NONE;
  }

  [Symbol.iterator](): Iterator<[K, V]> {
    return (this.#map ?? NONE)[Symbol.iterator]();
  }
}
