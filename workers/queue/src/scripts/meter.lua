-- KEYS[1] a bucket; ARGV: emission interval in us, burst. One permit, as acquire.lua grants it, but a bucket that is not
-- known is full. Returns {wait in us, 0 when granted; permits left; us until the bucket is full again}.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local wait = math.max(0, tat + interval - burst * interval - now)
if wait == 0 then
  tat = tat + interval
  redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.max(1, math.ceil((tat - now) / 1000)))
end
local left = math.max(0, math.floor((now + burst * interval - tat) / interval))
return {wait, left, tat - now}
