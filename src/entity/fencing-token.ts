/**
 * The number that a handler hands to systems outside the store, so that they can refuse a late writer. It is made of the
 * shard's epoch and the count of starts under that epoch, so two attempts never share one (M7). Written with leading
 * zeros: a later token is larger as text, too.
 */
const DIGITS = 16;

export function fencingToken(epoch: number, dispatchNumber: number): string {
  return `${String(epoch).padStart(DIGITS, '0')}-${String(dispatchNumber).padStart(DIGITS, '0')}`;
}
