/**
 * Scripts over who is there, and the one that reads everything. `groups.ts` has those over groups.
 *
 * All keys share one slot. `nodes` and `assignments` are hashes of JSON texts by `serverId` and by group. `groups` is a hash
 * of fields of several kinds: `g:<group>` its index, `t:<type>` its group, `n:<type>` + newline + name of a message of the
 * type, `count` how many groups there are, and the empty field a text that is another one after every change. The empty
 * field of the other two is a sentinel, so that no key is ever absent (M4).
 *
 * What is written here is small, and nodes must be able to come, beat and take over when the server's memory is full, or
 * nobody could ever empty it: a delete goes first, after which the server lets the rest of a script through.
 */

/**
 * `lineFormat()` of the store; the first one where `meta` does not say. `reply(rejected)`: everything, the bindings only when
 * they changed since `known` (a text that an earlier answer had).
 */
const REPLY = `local function lineFormat() return tonumber(redis.call('HGET', KEYS[4], 'lineFormat') or '1') end
local function reply(rejected, known)
  local token = redis.call('HGET', KEYS[2], '') or ''
  local bindings = {}
  if token == '' or token ~= known then bindings = redis.call('HGETALL', KEYS[2]) end
  return {rejected, token, redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[3]), bindings, lineFormat()}
end`;

/** `life(text)`: incarnation and beat of a record as texts, or nil when it is none: then anyone may replace it. */
const LIFE = `local function life(text)
  local fine, record = pcall(cjson.decode, text)
  if not fine or type(record) ~= 'table' or type(record.incarnation) ~= 'string' or type(record.beat) ~= 'number' then
    return nil
  end
  return record.incarnation, string.format('%.0f', record.beat)
end`;

/**
 * Makes the keys.
 *
 * KEYS: 1 nodes, 2 groups, 3 assignments. ARGV: none. Answers: 1. Writes: a sentinel in each key.
 */
export const PREPARE = `
redis.call('HDEL', KEYS[2], '-')
for _, key in ipairs(KEYS) do redis.call('HSETNX', key, '', '') end
return 1
`;

/**
 * Writes a node's record and reads everything.
 *
 * KEYS: 1 nodes, 2 groups, 3 assignments, 4 the cluster's meta. ARGV: 1 serverId, 2 incarnation, 3 the record, 4 and 5
 * incarnation and beat that it replaces (empty: none), 6 the bindings' text that the caller has, 7 the newest format of lines
 * that the node understands. Answers: {1 when rejected else 0, the bindings' text, nodes, assignments, bindings or nothing,
 * the store's format of lines}. Writes: nodes, unless rejected.
 */
export const BEAT = `
${REPLY}
${LIFE}
if tonumber(ARGV[7]) < lineFormat() then return reply(1, ARGV[6]) end
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored then
  local incarnation, beat = life(stored)
  if incarnation and incarnation ~= ARGV[2] and (incarnation ~= ARGV[4] or beat ~= ARGV[5]) then
    return reply(1, ARGV[6])
  end
end
redis.call('HDEL', KEYS[2], '-')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return reply(0, ARGV[6])
`;

/** Reads everything. KEYS and answers as of BEAT. ARGV: 1 the bindings' text that the caller has. Writes: nothing. */
export const VIEW = `
${REPLY}
return reply(0, ARGV[1])
`;

/**
 * Removes a record.
 *
 * KEYS: 1 nodes. ARGV: 1 serverId, 2 incarnation, 3 beat (empty: any). Answers: 1 when it went, else 0. Writes: nodes.
 */
export const LEAVE = `
${LIFE}
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if not stored then return 0 end
local incarnation, beat = life(stored)
if incarnation ~= ARGV[2] or (ARGV[3] ~= '' and beat ~= ARGV[3]) then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
`;
