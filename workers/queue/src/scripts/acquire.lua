-- KEYS[1] when this limiter was first seen, KEYS[2..] buckets; ARGV: permits, the age in us below which a missing
-- bucket has no burst, then per bucket the emission interval in us and the burst.
-- GCRA: a bucket stores its theoretical arrival time (TAT). Returns 0 when granted, else the wait in us.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local permits, young_age = tonumber(ARGV[1]), tonumber(ARGV[2])
local stored = redis.call('MGET', unpack(KEYS))
local since = tonumber(stored[1] or '')

local function store(key, tat)
  redis.call('SET', key, string.format('%.0f', tat), 'PX', math.max(1, math.ceil((tat - now) / 1000)))
end

if not since then
  since = now
  redis.call('SET', KEYS[1], string.format('%.0f', now))
end
local young = now - since < young_age
local wait, next_tat = 0, {}
for i = 2, #KEYS do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local tat = tonumber(stored[i] or '')
  if not tat and young then
    -- What was spent before Redis was emptied is unknown: assume all of it. Stored even if the call is refused,
    -- else the assumption would begin anew with each attempt and nothing would ever be granted.
    tat = now + burst * interval
    store(KEYS[i], tat)
  end
  next_tat[i] = math.max(tat or 0, now) + permits * interval
  wait = math.max(wait, next_tat[i] - burst * interval - now)
end
if wait > 0 then
  return wait
end
for i = 2, #KEYS do
  store(KEYS[i], next_tat[i])
end
return 0
