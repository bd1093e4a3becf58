/**
 * Which slice of a service group's entities an entity belongs to. Anyone in any language must find the same, so it is a
 * checksum that every standard library has: CRC-32 (the one of zlib and of ISO 3309) over the UTF-8 bytes of the type, a
 * newline and the id, modulo the number of slices. `docs/protocol.md` has test vectors.
 */
import { crc32 } from 'node:zlib';
import type { EntityKey } from './entity-key.js';

/** The slice of an entity, 0 to `slices - 1`. */
export function sliceOf(key: EntityKey, slices: number): number {
  return slices === 1 ? 0 : crc32(key) % slices;
}
