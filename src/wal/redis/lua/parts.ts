/** Pieces that several scripts are made of. */

/** `now`: the server's wall time, whole milliseconds. */
export const NOW = `local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)`;

/**
 * `peek(inbox, max, bytes, entryBytes)`: the oldest offers, at most `max`, and no more once they have `bytes`. One that is
 * longer than `entryBytes` is shown as {its length, its beginning}.
 */
export const PEEK = `local function peek(inbox, max, bytes, entryBytes)
    local found, size, at = {}, 0, 1
    while #found < max and size < bytes do
      local page = redis.call('LRANGE', inbox, at, at + math.min(50, max - #found) - 1)
      if #page == 0 then break end
      at = at + #page
      for _, entry in ipairs(page) do
        if size >= bytes then break end
        size = size + #entry
        if #entry > entryBytes then
          found[#found + 1] = {string.format('%.0f', #entry), string.sub(entry, 1, 16384)}
        else
          found[#found + 1] = entry
        end
      end
    end
    return found
  end`;

/** `owned`: whether ARGV 1 and 2 are the shard's epoch and incarnation. Of `meta` in KEYS 1. */
export const OWNED = `local owner = redis.call('HMGET', KEYS[1], 'epoch', 'incarnation', 'number', 'beat')
local owned = owner[1] == ARGV[1] and owner[2] == ARGV[2]`;
