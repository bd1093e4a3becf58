/** The script that looks into an outbox. */

/**
 * Finds the last message for one shard. Entries begin as `writes.ts` makes them.
 *
 * KEYS: 1 outbox. ARGV: 1 the shard that they are for.
 * Answers: its place, counted from 1; 0 when there is none. Writes nothing.
 */
export const LAST_OUTGOING = `
local to = redis.call('LLEN', KEYS[1]) - 1
while to >= 1 do
  local from = math.max(1, to - 199)
  local page = redis.call('LRANGE', KEYS[1], from, to)
  for at = #page, 1, -1 do
    if string.match(page[at], '^{"number":%d+,"epoch":%d+,"targetShard":(%d+),') == ARGV[1] then return from + at - 1 end
  end
  to = from - 1
end
return 0
`;
