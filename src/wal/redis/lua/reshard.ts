/** Scripts of a reshard. */

/**
 * Puts a shard of the new layout in its place, at once. Does nothing if that has happened.
 *
 * KEYS: 1 staged meta, 2 inbox, 3 staged quarantine, then pairs: each staged key and its place.
 * ARGV: 1 why an offer that came meanwhile cannot be taken in, 2 now, ms.
 * Answers: how many offers went to the quarantine, or -1 when the shard was in its place already.
 * Writes: everything of the shard.
 */
export const SWITCH_SHARD = `
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local late = redis.call('LRANGE', KEYS[2], 1, -1)
for _, offer in ipairs(late) do
  redis.call('RPUSH', KEYS[3], cjson.encode({text = string.sub(offer, 1, 4096), reason = ARGV[1], at = tonumber(ARGV[2])}))
end
for at = 4, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[at]) == 1 then
    redis.call('RENAME', KEYS[at], KEYS[at + 1])
  else
    redis.call('DEL', KEYS[at + 1])
  end
end
return #late
`;

/**
 * Notes how far a reshard has come, and keeps nodes from starting.
 *
 * KEYS: 1 the cluster's meta, 2 journal. ARGV: 1 what the format is called meanwhile, then fields and values of the journal.
 * Answers: 1. Writes: both.
 */
export const CLOSE_STORE = `
redis.call('HSET', KEYS[1], 'format', ARGV[1])
redis.call('HSET', KEYS[2], unpack(ARGV, 2))
return 1
`;

/**
 * Ends a reshard: from here on the store has so many slices, and nodes may start.
 *
 * KEYS: 1 the cluster's meta, 2 assignments, 3 journal. ARGV: 1 slices, 2 format, 3 whether the assignments go (1).
 * Answers: 1. Writes: all of them; deletes first, after which a full memory lets the rest through.
 */
export const OPEN_STORE = `
redis.call('DEL', KEYS[3])
if ARGV[3] == '1' then redis.call('DEL', KEYS[2]) end
redis.call('HSET', KEYS[1], 'slices', ARGV[1], 'format', ARGV[2])
return 1
`;
