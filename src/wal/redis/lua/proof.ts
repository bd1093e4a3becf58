/** The script that a proof by replicas begins with. */
import { UNUSED_FIELD } from '../text.js';

/**
 * Checks that writes are there, and writes something itself, so that WAIT on this connection speaks of now.
 *
 * KEYS: hashes. ARGV: for each of them, how many fields are looked at, then for each field its name, how it compares (is,
 *   not, least, sha1), with what.
 * Answers: for each key 1 if all of its fields are so, else 0.
 * Writes: to the first key a field that nobody uses, and takes it away again; a delete first, after which a full memory lets
 *   the rest through.
 */
export const PROVE = `
local function holds(found, how, wanted)
  if how == 'is' then return found == wanted end
  if how == 'not' then return found ~= wanted end
  if how == 'least' then return found and tonumber(found) >= tonumber(wanted) end
  return found and redis.sha1hex(found) == wanted
end
local answers, at = {}, 1
for index, key in ipairs(KEYS) do
  local last = at + 3 * tonumber(ARGV[at])
  answers[index] = 1
  for field = at + 1, last, 3 do
    if not holds(redis.call('HGET', key, ARGV[field]), ARGV[field + 1], ARGV[field + 2]) then answers[index] = 0 end
  end
  at = last + 1
end
redis.call('HDEL', KEYS[1], '${UNUSED_FIELD}')
redis.call('HSET', KEYS[1], '${UNUSED_FIELD}', '')
redis.call('HDEL', KEYS[1], '${UNUSED_FIELD}')
return answers
`;
