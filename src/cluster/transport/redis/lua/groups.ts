/** Scripts over service groups: what belongs to them and who is to run their shards. `nodes.ts` tells the layout. */

/**
 * Binds a group, its types and their names.
 *
 * KEYS: 1 groups. ARGV: 1 group, 2 how many types, then the types, then the names, each as its type, a newline and itself.
 * Answers: {0, index} or, with nothing changed, {1, type, group that the type belongs to}. Writes: groups.
 */
export const BIND = `
local last = 2 + tonumber(ARGV[2])
for at = 3, last do
  local boundTo = redis.call('HGET', KEYS[1], 't:' .. ARGV[at])
  if boundTo and boundTo ~= ARGV[1] then return {1, ARGV[at], boundTo} end
end
local changed = 0
redis.call('HDEL', KEYS[1], '-')
local index = redis.call('HGET', KEYS[1], 'g:' .. ARGV[1])
if not index then
  index = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'count', 1) - 1)
  redis.call('HSET', KEYS[1], 'g:' .. ARGV[1], index)
  changed = 1
end
for at = 3, last do changed = changed + redis.call('HSETNX', KEYS[1], 't:' .. ARGV[at], ARGV[1]) end
for at = last + 1, #ARGV do changed = changed + redis.call('HSETNX', KEYS[1], 'n:' .. ARGV[at], '') end
if changed > 0 then
  local clock = redis.call('TIME')
  redis.call('HSET', KEYS[1], '', clock[1] .. '.' .. clock[2] .. '.' .. redis.call('HLEN', KEYS[1]))
end
return {0, index}
`;

/**
 * Writes a group's table, unless the stored one is of a higher term, or of the same term and not older or by another.
 *
 * KEYS: 1 assignments. ARGV: 1 group, 2 term, 3 version, 4 master, 5 the table. Answers: 1 written, 0 refused.
 * Writes: assignments.
 */
export const ASSIGN = `
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored then
  local fine, table = pcall(cjson.decode, stored)
  if fine and type(table) == 'table' and type(table.term) == 'number' and type(table.version) == 'number' then
    local term, version = tonumber(ARGV[2]), tonumber(ARGV[3])
    if term < table.term then return 0 end
    if term == table.term and (ARGV[4] ~= table.master or version <= table.version) then return 0 end
  end
end
redis.call('HDEL', KEYS[1], ' ')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[5])
return 1
`;
