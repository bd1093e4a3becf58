/**
 * Scripts over what services publish.
 *
 * All keys share one slot. `services` is a hash incarnation -> digest of its text, a newline, and when it started; its empty
 * field is a text that is another one whenever a record came or went. `beats` is a hash incarnation -> until when it is taken
 * to live, milliseconds by the server's clock. `contracts` is a hash digest -> text, so that the processes of one service
 * share theirs. The empty fields of the last two are sentinels, so that no key is ever absent (M4).
 *
 * A text is written and read by itself and never looked into here, so its size costs the server a copy (M3).
 */

/** More processes than any cluster has: a hash that was filled by a stranger is not walked through. */
export const SERVICES_MAX = 10_000;

/** `now()` in milliseconds; `changed()` gives the registry another token. */
const CLOCK = `local function now()
  local clock = redis.call('TIME')
  return clock[1] * 1000 + math.floor(clock[2] / 1000)
end
local function changed()
  local clock = redis.call('TIME')
  redis.call('HSET', KEYS[1], '', clock[1] .. '.' .. clock[2] .. '.' .. ARGV[1])
end`;

/** `sweep()` removes texts that nobody's record names; `prune(at)` removes the records of those who are silent. */
const PRUNE = `local function sweep()
  local used = {}
  local heads = redis.call('HGETALL', KEYS[1])
  for at = 1, #heads, 2 do used[string.match(heads[at + 1], '^(%x+)\\n') or ''] = true end
  for _, digest in ipairs(redis.call('HKEYS', KEYS[3])) do
    if digest ~= '' and not used[digest] then redis.call('HDEL', KEYS[3], digest) end
  end
end
local function prune(at)
  if redis.call('HLEN', KEYS[2]) > ${SERVICES_MAX} then return end
  local beats = redis.call('HGETALL', KEYS[2])
  local gone = false
  for each = 1, #beats, 2 do
    local ends = tonumber(beats[each + 1])
    if beats[each] ~= '' and (not ends or ends <= at) then
      redis.call('HDEL', KEYS[2], beats[each])
      redis.call('HDEL', KEYS[1], beats[each])
      gone = true
    end
  end
  if gone then
    sweep()
    changed()
  end
end`;

/**
 * Publishes a record unless something was published or left since.
 *
 * KEYS: 1 services, 2 beats, 3 contracts. ARGV: 1 incarnation, 2 its entry, 3 digest, 4 text, 5 milliseconds to live, 6 the
 * token that the caller has seen. Answers: 1 published, 0 refused. Writes: all three, unless refused; removes the silent.
 */
export const PUBLISH = `
${CLOCK}
${PRUNE}
redis.call('HDEL', KEYS[1], '-')
local at = now()
if (redis.call('HGET', KEYS[1], '') or '') ~= ARGV[6] then return 0 end
prune(at)
redis.call('HSETNX', KEYS[2], '', '')
redis.call('HSETNX', KEYS[3], '', '')
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f', at + ARGV[5]))
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
sweep()
changed()
return 1
`;

/**
 * Keeps a record. KEYS as of PUBLISH. ARGV: 1 incarnation, 2 milliseconds to live. Answers: 1, or 0 when there is no record.
 * Writes: beats; removes the silent.
 */
export const BEAT_SERVICE = `
${CLOCK}
${PRUNE}
redis.call('HDEL', KEYS[1], '-')
local at = now()
local known = redis.call('HEXISTS', KEYS[1], ARGV[1])
if known == 1 then redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f', at + ARGV[2])) end
prune(at)
return known
`;

/**
 * Reads who lives. KEYS as of PUBLISH. ARGV: none. Answers: {token, then incarnation and entry of each that lives}, or
 * {token} alone and -1 when there are too many. Writes: nothing.
 */
export const READ_SERVICES = `
local token = redis.call('HGET', KEYS[1], '') or ''
if redis.call('HLEN', KEYS[1]) > ${SERVICES_MAX} then return {token, -1} end
local clock = redis.call('TIME')
local at = clock[1] * 1000 + math.floor(clock[2] / 1000)
local answer = {token}
local heads = redis.call('HGETALL', KEYS[1])
for each = 1, #heads, 2 do
  if heads[each] ~= '' then
    local ends = tonumber(redis.call('HGET', KEYS[2], heads[each]) or '')
    if ends and ends > at then
      answer[#answer + 1] = heads[each]
      answer[#answer + 1] = heads[each + 1]
    end
  end
end
return answer
`;

/** Takes a record away. KEYS as of PUBLISH. ARGV: 1 incarnation. Answers: 1 when it went, else 0. Writes: all three. */
export const LEAVE_SERVICE = `
${CLOCK}
${PRUNE}
redis.call('HDEL', KEYS[2], ARGV[1])
local gone = redis.call('HDEL', KEYS[1], ARGV[1])
if gone == 1 then
  sweep()
  changed()
end
return gone
`;
