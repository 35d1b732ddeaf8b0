-- KEYS: bases; ARGV: group limit, how many entries to move at most. Returns how many moved.
local limit, budget, now = tonumber(ARGV[1]), tonumber(ARGV[2]), now_ms()
local moved = 0
for _, base in ipairs(KEYS) do
  if moved < budget then
    local due = redis.call('ZRANGEBYSCORE', base .. 'due', '-inf', now, 'LIMIT', 0, budget - moved)
    for _, entry in ipairs(due) do
      admit(base, entry, limit, now)
      redis.call('ZREM', base .. 'due', entry)
    end
    moved = moved + #due
  end
  -- A raised limit, or a slot whose lease ran out, frees a line without any completion to notice it.
  for _, group in ipairs(redis.call('SRANDMEMBER', base .. 'lines', 8)) do
    advance(base, group, limit, now)
  end
end
return moved
