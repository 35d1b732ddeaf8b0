-- KEYS[1] base; ARGV: pool, consumer, token, stream id, entry, lease in ms. Returns 1, or 0 when the lease is lost.
local base, entry = KEYS[1], ARGV[5]
if redis.call('HGET', base .. 'holder', entry) ~= ARGV[3] then
  return 0
end
redis.call('XCLAIM', base .. 'ready', ARGV[1], ARGV[2], 0, ARGV[4], 'JUSTID')
redis.call('ZADD', base .. 'slots:' .. group_of(entry), 'XX', now_ms() + tonumber(ARGV[6]), entry)
return 1
