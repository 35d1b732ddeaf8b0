-- KEYS: bases; ARGV[1] pool. Returns {due later, overdue, live, pending, leased}.
local pool, now = ARGV[1], now_ms()
local later, overdue, live, pending, leased = 0, 0, 0, 0, 0
for _, base in ipairs(KEYS) do
  local past = redis.call('ZCOUNT', base .. 'due', '-inf', now)
  overdue = overdue + past
  later = later + redis.call('ZCARD', base .. 'due') - past
  live = live + redis.call('HLEN', base .. 'live')
  leased = leased + redis.call('HLEN', base .. 'holder')
  local summary = redis.pcall('XPENDING', base .. 'ready', pool)
  if not summary.err then
    pending = pending + summary[1]
  end
end
return {later, overdue, live, pending, leased}
