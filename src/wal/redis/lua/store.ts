/** The script that makes a store. */

/**
 * Makes the store if there is none, and says what it is.
 *
 * KEYS: 1 the cluster's meta. ARGV: field and value of each thing that a new store is.
 * Answers: all fields and values. Writes: meta, if it was absent.
 */
export const MAKE_STORE = `
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('HSET', KEYS[1], unpack(ARGV)) end
return redis.call('HGETALL', KEYS[1])
`;
