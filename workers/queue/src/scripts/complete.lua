-- KEYS[1] base; ARGV: pool, token, stream id, entry, group limit, due time in ms ('' is never, 0 is now).
-- Returns 1, or 0 when the lease is lost, in which case nothing changes.
local base, pool, entry = KEYS[1], ARGV[1], ARGV[4]
if redis.call('HGET', base .. 'holder', entry) ~= ARGV[2] then
  return 0
end
local limit, due, now = tonumber(ARGV[5]), tonumber(ARGV[6]), now_ms()
local group = group_of(entry)
remove_from_stream(base, pool, ARGV[3])
redis.call('HDEL', base .. 'holder', entry)
redis.call('HDEL', base .. 'live', entry)
redis.call('ZREM', base .. 'slots:' .. group, entry)
-- Those who wait go first: what runs again right away goes to the tail.
advance(base, group, limit, now)

local again = tonumber(redis.call('HGET', base .. 'again', entry) or '')
local first = due
if again and (not due or again < due) then
  first = again
end
if not first then
  return 1
end
if first <= now then
  if again and again <= now then
    redis.call('HDEL', base .. 'again', entry)
  end
  -- Both dates may still matter: the one not due yet is remembered beside the run that is.
  if due and due > now then
    redis.call('HSET', base .. 'again', entry, due)
  end
  admit(base, entry, limit, now)
else
  redis.call('HDEL', base .. 'again', entry)
  redis.call('ZADD', base .. 'due', 'LT', first, entry)
end
return 1
