/** The one script that changes a shard's messages. */
import { NOW, PEEK } from './parts.js';

/** What is in the way of a commit of some messages is its fixed part: no function is made that is not called. */
const SHOWN = `${PEEK}
local shown = peek(KEYS[2], tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]))`;

const META = `'number', ARGV[4], 'tag', ARGV[5], 'beat', beat, 'numbers', ARGV[12], 'pending', ARGV[13]`;

/**
 * Applies a set of writes that the owner worked out, if the shard is still as the owner knows it.
 *
 * KEYS: 1 meta, 2 inbox, 3 types, then every key that the writes name.
 * ARGV: 1 epoch, 2 incarnation: who owns the shard. 3 the last commit's number. 4 this one's; the same as 3 for a cleanup.
 *   5 tag: tells this try from others with the same number. 6 now, ms; 7 how far it may be from the server's time, ms
 *   (0: any). 8 how many offers to show, 9 bytes of them, 10 bytes of one. 11 whether the shard grows (1): then a full memory
 *   refuses it at the first write; otherwise a delete goes first then, after which the server lets the rest through. 12 numbers,
 *   13 messages pending: fields of meta.
 *   14 how many offers the writes take in, which must be there; 15 whether there may be more (0): if there are, they must be looked at first.
 *   16 how many of those offers are only hearsay, then so many texts: the inbox must begin with them.
 *   From there: writes, each as command, index of its key, count of arguments, arguments. `KEEP` cuts a list to its newest;
 *   `REHEAD` gives a message another head and leaves the body that stands in it;
 *   `PUBLISH` has a channel and a text instead of a key, and what becomes of it does not matter.
 * Answers: {0, beat, time, offers left, types, offers} done, the last two only when there are any: they may be taken in by
 *   the next commit without another look; {1, epoch} stale; {2, number, tag} another number is stored;
 *   {3, types, offers, offers in the inbox} look at these first; {4, time} now is too far off. All but 0 changed nothing.
 * Writes: meta and what the writes name. Publishes what they say.
 */
export const COMMIT = `
local KEYS, ARGV, call = KEYS, ARGV, redis.call
local meta = call('HMGET', KEYS[1], 'epoch', 'incarnation', 'number', 'tag', 'beat')
if meta[1] ~= ARGV[1] or meta[2] ~= ARGV[2] then return {1, meta[1] or '0'} end
if meta[3] ~= ARGV[3] then return {2, meta[3] or '0', meta[4] or ''} end
${NOW}
local away = tonumber(ARGV[7])
if away > 0 and math.abs(now - tonumber(ARGV[6])) > away then return {4, now} end
local offers = call('LLEN', KEYS[2]) - 1
local heard = tonumber(ARGV[16])
local taken = tonumber(ARGV[14])
local looks = (taken > 0 and offers < taken) or (ARGV[15] == '1' and offers > taken)
if heard > 0 and not looks then
  local first = call('LRANGE', KEYS[2], 1, heard)
  for at = 1, heard do
    if first[at] ~= ARGV[16 + at] then looks = true end
  end
end
if looks then ${SHOWN} return {3, call('SMEMBERS', KEYS[3]), shown, math.max(0, offers)} end
local beat = tonumber(meta[5] or '0') + 1
local noted = redis.pcall('HSET', KEYS[1], ${META})
if type(noted) == 'table' then
  if ARGV[11] == '1' then return noted end
  call('HDEL', KEYS[1], '-')
  call('HSET', KEYS[1], ${META})
end
local at, last = 17 + heard, #ARGV
while at <= last do
  local command, key, count = ARGV[at], KEYS[tonumber(ARGV[at + 1])], tonumber(ARGV[at + 2])
  if command == 'PUBLISH' then
    redis.pcall(command, ARGV[at + 3], ARGV[at + 4])
  elseif command == 'KEEP' then
    local extra = call('LLEN', key) - 1 - tonumber(ARGV[at + 3])
    if extra > 0 then
      call('LTRIM', key, extra, -1)
      call('LSET', key, 0, '')
    end
  elseif command == 'REHEAD' then
    local old = call('HGET', key, ARGV[at + 3]) or ''
    call('HSET', key, ARGV[at + 3], ARGV[at + 4] .. string.sub(old, string.find(old, '\\n', 1, true) or #old + 1))
  else
    call(command, key, unpack(ARGV, at + 3, at + 2 + count))
  end
  at = at + 3 + count
end
local left = offers - taken
if left <= 0 or ARGV[8] == '0' then return {0, beat, now, left} end
${SHOWN}
return {0, beat, now, left, call('SMEMBERS', KEYS[3]), shown}
`;
