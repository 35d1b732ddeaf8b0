-- KEYS[1] base; ARGV: group limit, then pairs of entry and due time in ms (0 is now).
local base, limit, now = KEYS[1], tonumber(ARGV[1]), now_ms()
for i = 2, #ARGV, 2 do
  local entry, at = ARGV[i], tonumber(ARGV[i + 1])
  if redis.call('HEXISTS', base .. 'live', entry) == 1 then
    local again = redis.call('HGET', base .. 'again', entry)
    if not again or at < tonumber(again) then
      redis.call('HSET', base .. 'again', entry, at)
    end
  elseif at <= now then
    -- First what needs memory: once a script has written anything, Redis no longer refuses for lack of it.
    admit(base, entry, limit, now)
    redis.call('ZREM', base .. 'due', entry)
  else
    redis.call('ZADD', base .. 'due', 'LT', at, entry)
  end
end
return #ARGV
