-- KEYS: lines of attempts; ARGV per line: first delay, longest delay, time until it is forgotten (all ms), free attempts.
-- A line is a hash: n attempts so far, `at` the moment in ms before which none may begin. Returns 0 when the attempt was
-- counted in all lines, else the wait in ms, and then it was counted in none.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wait, counts = 0, {}
for i, key in ipairs(KEYS) do
  local line = redis.call('HMGET', key, 'n', 'at')
  counts[i] = tonumber(line[1] or '0')
  wait = math.max(wait, tonumber(line[2] or '0') - now)
end
if wait > 0 then
  return wait
end
for i, key in ipairs(KEYS) do
  local first, longest, forgotten, free =
    tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i])
  local n = counts[i] + 1
  local delay = 0
  if n >= free then
    -- The exponent is bounded: the numbers of Lua have 53 bits.
    delay = math.min(longest, first * 2 ^ math.min(n - free, 30))
  end
  redis.call('HSET', key, 'n', n, 'at', string.format('%.0f', now + delay))
  redis.call('PEXPIRE', key, string.format('%.0f', math.max(forgotten, delay)))
end
return 0
