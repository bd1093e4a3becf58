/** The script that raises the format of lines. `nodes.ts` tells the layout of what it looks at. */

/**
 * Raises the format, unless someone is there who does not understand it. Each node that is there has a record, and no
 * beat of one that does not understand the raised format is taken: so none can come between.
 *
 * KEYS: 1 nodes, 2 assignments, 3 the cluster's meta. ARGV: 1 group, 2 term and 3 master of its table, 4 the format.
 * Answers: 1 when the store has it (or a newer one), 0 refused. Writes: meta.
 */
export const RAISE_LINE_FORMAT = `
local stored = redis.call('HGET', KEYS[2], ARGV[1])
local fine, table = pcall(cjson.decode, stored or '')
if not fine or type(table) ~= 'table' or table.master ~= ARGV[3] or table.term ~= tonumber(ARGV[2]) then return 0 end
local lineFormat = redis.call('HMGET', KEYS[3], 'format', 'lineFormat')
if not lineFormat[1] then return 0 end
if tonumber(lineFormat[2] or '1') >= tonumber(ARGV[4]) then return 1 end
for _, text in ipairs(redis.call('HVALS', KEYS[1])) do
  local isJson, record = pcall(cjson.decode, text)
  if isJson and type(record) == 'table' and (tonumber(record.format) or 1) < tonumber(ARGV[4]) then return 0 end
end
redis.call('HDEL', KEYS[2], ' ')
redis.call('HSET', KEYS[3], 'lineFormat', ARGV[4])
return 1
`;
