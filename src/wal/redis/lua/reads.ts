/** The script that reads. */

/**
 * Several reads of one moment. A transaction would do the same, but a server whose memory is full refuses to queue one.
 *
 * KEYS: of each read. ARGV: for each, its command, count of arguments, arguments. Answers: their answers. Writes: nothing.
 */
export const READ = `
local answers, at, most = {}, 1, 4000
for index, key in ipairs(KEYS) do
  local command, first = ARGV[at], at + 2
  local last = at + 1 + tonumber(ARGV[at + 1])
  if last - first < most then
    answers[index] = redis.call(command, key, unpack(ARGV, first, last))
  else
    local answer = {}
    for from = first, last, most do
      for _, each in ipairs(redis.call(command, key, unpack(ARGV, from, math.min(last, from + most - 1)))) do
        answer[#answer + 1] = each
      end
    end
    answers[index] = answer
  end
  at = last + 1
end
return answers
`;
