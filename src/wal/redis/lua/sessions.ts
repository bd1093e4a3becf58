/** The script that forgets producer sessions. */
import { OWNED } from './parts.js';

/**
 * Forgets sessions that were not heard of for long and have nothing in the inbox; those that must stay are looked at last
 * the next time.
 *
 * KEYS: 1 meta, 2 inbox, 3 offered, 4 taken, 5 sessions.
 * ARGV: 1 epoch, 2 incarnation: who owns the shard. 3 the time that is long ago, 4 now, then for each session its name and
 *   whether it may go (1).
 * Answers: {0, how many went} or {1, epoch} stale. Writes: offered, taken, sessions.
 */
export const FORGET_SESSIONS = `
${OWNED}
if not owned then return {1, owner[1] or '0'} end
local isEmpty = redis.call('LLEN', KEYS[2]) <= 1
local gone = 0
for at = 5, #ARGV, 2 do
  local session = ARGV[at]
  local seen = tonumber(redis.call('ZSCORE', KEYS[5], session) or '+inf')
  if seen <= tonumber(ARGV[3]) then
    local isTaken = isEmpty or redis.call('HGET', KEYS[3], session) == redis.call('HGET', KEYS[4], session)
    if ARGV[at + 1] == '1' and isTaken then
      redis.call('HDEL', KEYS[3], session)
      redis.call('HDEL', KEYS[4], session)
      redis.call('ZREM', KEYS[5], session)
      gone = gone + 1
    else
      redis.call('ZADD', KEYS[5], 'XX', ARGV[4], session)
    end
  end
end
return {0, gone}
`;
