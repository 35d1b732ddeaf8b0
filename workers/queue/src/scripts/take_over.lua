-- KEYS: bases; ARGV: pool, consumer, token, how many at most, lease in ms, idle time in ms, group limit.
-- Takes entries whose holder stopped refreshing. Returns {{partition index, stream id, entry}, ...}.
local pool, consumer, token = ARGV[1], ARGV[2], ARGV[3]
local remaining, lease, idle, limit = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local now = now_ms()
local taken = {}

-- A group that filled its slots since the lease ran out gets the entry back at the head of its line.
local function take_or_requeue(i, id, entry)
  local base, group = KEYS[i], group_of(entry)
  redis.call('HDEL', base .. 'holder', entry)
  if redis.call('HGET', base .. 'live', entry) == id then
    redis.call('ZREM', base .. 'slots:' .. group, entry)
    if not has_free_slot(base, group, limit, now) then
      remove_from_stream(base, pool, id)
      redis.call('LPUSH', base .. 'line:' .. group, entry)
      redis.call('HSET', base .. 'live', entry, 'line')
      redis.call('SADD', base .. 'lines', group)
      return
    end
  end
  if grant(base, pool, id, entry, token, now + lease, now) then
    taken[#taken + 1] = {i, id, entry}
    remaining = remaining - 1
  end
end

for i, base in ipairs(KEYS) do
  local cursor = '0-0'
  repeat
    if remaining <= 0 then
      return taken
    end
    local reply = redis.pcall('XAUTOCLAIM', base .. 'ready', pool, consumer, idle, cursor, 'COUNT', remaining)
    if reply.err then
      if not is_missing_group(reply) then
        error(reply.err)
      end
      break
    end
    cursor = reply[1]
    for _, item in ipairs(reply[2]) do
      take_or_requeue(i, item[1], item[2][2])
    end
  until cursor == '0-0'
end
return taken
