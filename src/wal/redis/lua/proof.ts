/** The script that a proof by replicas begins with. */
import { UNUSED_FIELD } from '../text.js';

/**
 * Checks that a write is there, and writes something itself, so that WAIT on this connection speaks of now.
 *
 * KEYS: 1 a hash. ARGV: for each field that is looked at: its name, how it compares (is, not, least, sha1), with what.
 * Answers: 1 all of them are so, 0 one is not. Only 1 was a write.
 * Writes: a field that nobody uses, and takes it away again; a delete first, after which a full memory lets the rest through.
 */
export const PROVE = `
for at = 1, #ARGV, 3 do
  local found, how, wanted = redis.call('HGET', KEYS[1], ARGV[at]), ARGV[at + 1], ARGV[at + 2]
  local holds
  if how == 'is' then holds = found == wanted
  elseif how == 'not' then holds = found ~= wanted
  elseif how == 'least' then holds = found and tonumber(found) >= tonumber(wanted)
  else holds = found and redis.sha1hex(found) == wanted end
  if not holds then return 0 end
end
redis.call('HDEL', KEYS[1], '${UNUSED_FIELD}')
redis.call('HSET', KEYS[1], '${UNUSED_FIELD}', '')
redis.call('HDEL', KEYS[1], '${UNUSED_FIELD}')
return 1
`;
