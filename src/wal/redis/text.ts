/**
 * Names and ids as fields and members on the server. A lone half of a surrogate pair has no UTF-8 form, and two ids that
 * differ in such a place must not become one field. So such halves and the escape character itself (U+F8F0, for private
 * use) are written as that character and four hexadecimal digits. JSON text needs none of this: JSON escapes them itself.
 */
import { crc32 } from 'node:zlib';
import { LINE_BUCKETS } from './keys.js';

const ESCAPE = '\uf8f0';
/** A field that no name and no number becomes. */
export const UNUSED_FIELD = ESCAPE;

const UNSAFE = /[\p{Cs}\uf8f0]/u;
const EACH_UNSAFE = /[\p{Cs}\uf8f0]/gu;
const EACH_ESCAPED = /\uf8f0([0-9a-f]{4})/g;

export function toField(value: string): string {
  if (!UNSAFE.test(value)) return value;
  return value.replace(EACH_UNSAFE, (unit) => ESCAPE + unit.charCodeAt(0).toString(16).padStart(4, '0'));
}

export function fromField(text: string): string {
  if (!text.includes(ESCAPE)) return text;
  return text.replace(EACH_ESCAPED, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/** The bucket of a name. */
export function bucketOfName(name: string): number {
  return crc32(name) % LINE_BUCKETS;
}
