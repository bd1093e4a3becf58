/**
 * How the ids begin that an owner gives to messages, a number in base 36 following: no two openings of any shard share it,
 * since two shards may have an owner of the same epoch.
 */
export function ownerIdPrefix(clusterId: string, shard: number, epoch: number): string {
  const place = shard === 0 ? '' : `.${shard.toString(36)}`;
  return `${clusterId.slice(0, 8)}-${epoch.toString(36)}${place}-`;
}

const DIGITS_MAX = 10;
const CODE_0 = 48;
const CODE_9 = 57;
const CODE_A = 97;
const CODE_Z = 122;

/** The number in base 36 from there to the end; -1 when it is none, or could be written otherwise. */
export function base36(text: string, from: number): number {
  const digits = text.length - from;
  if (digits < 1 || digits > DIGITS_MAX || text.charCodeAt(from) === CODE_0) return -1;
  let n = 0;
  for (let index = from; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code >= CODE_0 && code <= CODE_9) n = n * 36 + code - CODE_0;
    else if (code >= CODE_A && code <= CODE_Z) n = n * 36 + code - CODE_A + 10;
    else return -1;
  }
  return n;
}
