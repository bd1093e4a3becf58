/** Scripts of the inbox. */
import { PEEK } from './parts.js';

/**
 * Hands in offers: all that are new, or none.
 *
 * KEYS: 1 meta, 2 inbox, 3 offered.
 * ARGV: 1 messages that may be pending (0: any number), 2 channel of wake hints (empty: none), 3 the hint, 4 bytes of one
 *   new offer that it may bring along, as `offers` of the last object in it, if nothing else is in the inbox (0: none), then for
 *   each offer: session, number, 1 if it is an append, its text.
 * Answers: {0, how many were new}; {1, session, number, mark} a gap; {2, depth} it does not fit. Only 0 changed anything.
 * Writes: inbox, offered; publishes the hint.
 */
export const OFFER = `
local marks, fresh, appends = {}, {}, 0
for at = 5, #ARGV, 4 do
  local session, number = ARGV[at], tonumber(ARGV[at + 1])
  local mark = marks[session]
  if not mark then mark = tonumber(redis.call('HGET', KEYS[3], session) or '0') end
  if number > mark then
    if number ~= mark + 1 then return {1, session, ARGV[at + 1], string.format('%.0f', mark)} end
    mark = number
    fresh[#fresh + 1] = ARGV[at + 3]
    if ARGV[at + 2] == '1' then appends = appends + 1 end
  end
  marks[session] = mark
end
if #fresh == 0 then return {0, 0} end
local length = redis.call('LLEN', KEYS[2])
local depthMax = tonumber(ARGV[1])
if depthMax > 0 and appends > 0 then
  local depth = tonumber(redis.call('HGET', KEYS[1], 'pending') or '0') + math.max(0, length - 1)
  if depth + appends > depthMax then return {2, string.format('%.0f', depth)} end
end
if length == 0 then redis.call('RPUSH', KEYS[2], '') end
for from = 1, #fresh, 1000 do
  redis.call('RPUSH', KEYS[2], unpack(fresh, from, math.min(#fresh, from + 999)))
end
for session, mark in pairs(marks) do redis.call('HSET', KEYS[3], session, string.format('%.0f', mark)) end
if ARGV[2] ~= '' then
  local hint = ARGV[3]
  if length <= 1 and #fresh == 1 and #fresh[1] <= tonumber(ARGV[4]) then
    hint = string.sub(hint, 1, -3) .. ',"offers":' .. cjson.encode(fresh) .. '}]'
  end
  redis.pcall('PUBLISH', ARGV[2], hint)
end
return {0, #fresh}
`;

/**
 * Looks for offers by what is in their texts.
 *
 * KEYS: 1 inbox. ARGV: 1 first place, 2 last one, 3 bytes that an offer may have, 4 the text that is looked for.
 * Answers: the offers. Writes nothing.
 */
export const FIND_OFFERS = `
local found = {}
for _, entry in ipairs(redis.call('LRANGE', KEYS[1], ARGV[1], ARGV[2])) do
  if #entry <= tonumber(ARGV[3]) and string.find(entry, ARGV[4], 1, true) then found[#found + 1] = entry end
end
return found
`;

/**
 * Looks at the oldest offers and takes nothing.
 *
 * KEYS: 1 inbox, 2 types. ARGV: 1 how many, 2 bytes of them, 3 bytes of one.
 * Answers: {types, offers, offers in the inbox}. Writes nothing.
 */
export const PEEK_INBOX = `
${PEEK}
return {redis.call('SMEMBERS', KEYS[2]), peek(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])), redis.call('LLEN', KEYS[1]) - 1}
`;
