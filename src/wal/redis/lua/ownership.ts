/** Scripts that change who owns a shard. */
import { OWNED } from './parts.js';

/**
 * Gives the shard to a new owner.
 *
 * KEYS: 1 meta, then all keys of the shard: hashes, sorted sets, lists, sets.
 * ARGV: 1 incarnation, 2 node, 3 whether the present owner is respected (1), 4 its epoch, 5 incarnation, 6 beat as they
 *   were when it was seen to be silent (empty: it was not), 7 lowest epoch, 8 to 10 how many hashes, sorted sets and
 *   lists there are, 11 format that its lines get at least, 12 the newest one that the opener understands.
 * Answers: {0, epoch, former incarnation} done; {1, epoch, incarnation, node, beat, openings} it is held; {2, format} its
 *   lines are newer; {3, key, type} a key holds something else. All but 0 changed nothing.
 * Writes: meta, with a delete first, so that a full memory keeps nobody from taking over; in a new shard a sentinel in
 *   every key, so that none of them is ever absent (a cluster answers TRYAGAIN for an absent key while its slot moves).
 */
export const OPEN = `
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'incarnation', 'node', 'beat', 'format', 'openings')
local epoch, incarnation, beat = meta[1] or '0', meta[2] or '', meta[4] or '0'
local format = tonumber(ARGV[11])
if meta[5] then
  local stored = tonumber(meta[5])
  if not stored or stored > tonumber(ARGV[12]) then return {2, meta[5]} end
  format = math.max(format, stored)
end
if ARGV[3] == '1' and incarnation ~= '' and incarnation ~= ARGV[1] then
  if epoch ~= ARGV[4] or incarnation ~= ARGV[5] or beat ~= ARGV[6] then
    return {1, epoch, incarnation, meta[3] or '', beat, meta[6] or '0'}
  end
end
local hashes, zsets, lists = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local function kindOf(index)
  if index <= hashes then return 'hash' end
  if index <= hashes + zsets then return 'zset' end
  if index <= hashes + zsets + lists then return 'list' end
  return 'set'
end
for index = 2, #KEYS do
  local kind = redis.call('TYPE', KEYS[index])['ok']
  if kind ~= 'none' and kind ~= kindOf(index - 1) then return {3, KEYS[index], kind} end
end
redis.call('HDEL', KEYS[1], '-')
for index = 2, #KEYS do
  local key, kind = KEYS[index], kindOf(index - 1)
  if kind == 'hash' then redis.call('HSETNX', key, '', '')
  elseif kind == 'zset' then redis.call('ZADD', key, 'NX', '-inf', '')
  elseif kind == 'set' then redis.call('SADD', key, '')
  elseif redis.call('LINDEX', key, 0) ~= '' then redis.call('LPUSH', key, '') end
end
local clock = redis.call('TIME')
local next = math.max(tonumber(epoch) + 1, tonumber(ARGV[7]), tonumber(clock[1]) * 1000000 + tonumber(clock[2]))
local raised = string.format('%.0f', next)
redis.call('HSET', KEYS[1], 'epoch', raised, 'incarnation', ARGV[1], 'node', ARGV[2],
  'beat', string.format('%.0f', tonumber(beat) + 1), 'number', '0', 'tag', '', 'format', string.format('%.0f', format),
  'openings', string.format('%.0f', tonumber(meta[6] or '0') + 1))
return {0, raised, incarnation}
`;

/**
 * Gives the shard up. A stale claim is ignored.
 *
 * KEYS: 1 meta. ARGV: 1 epoch, 2 incarnation. Answers: 1 released, 0 not its owner. Writes: meta.
 */
export const RELEASE = `
${OWNED}
if not owned then return 0 end
redis.call('HDEL', KEYS[1], '-')
redis.call('HSET', KEYS[1], 'incarnation', '', 'node', '', 'openings', '0',
  'beat', string.format('%.0f', tonumber(owner[4]) + 1))
return 1
`;

/**
 * A sign of life.
 *
 * KEYS: 1 meta. ARGV: 1 epoch, 2 incarnation, 3 number of the last commit whose answer the owner has: a store that was
 * rolled back behind it is not the owner's any more. 4 whether the owner has survived the opening (1).
 * Answers: {0, beat} or {1, epoch}. Writes: meta.
 */
export const RENEW = `
${OWNED}
if not owned or tonumber(owner[3]) < tonumber(ARGV[3]) then return {1, owner[1] or '0'} end
local beat = string.format('%.0f', tonumber(owner[4]) + 1)
redis.call('HDEL', KEYS[1], '-')
if ARGV[4] == '1' then redis.call('HSET', KEYS[1], 'beat', beat, 'openings', '0')
else redis.call('HSET', KEYS[1], 'beat', beat) end
return {0, beat}
`;

/**
 * The openings without a survivor do not count any more.
 *
 * KEYS: 1 meta. Answers: 1, or 0 when there is no such shard. Writes: meta.
 */
export const FORGET_OPENINGS = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[1], '-')
redis.call('HSET', KEYS[1], 'openings', '0')
return 1
`;
