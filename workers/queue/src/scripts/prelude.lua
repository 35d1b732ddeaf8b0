-- Shared by the queue's scripts. `base` is "<prefix>{pNN}:<pool>:", and every key below carries that tag, so one
-- call about one partition stays in one slot of a Redis Cluster. Time is always the server's.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function group_of(entry)
  return string.match(entry, '^[^|]*')
end

-- Slots are a sorted set of lease expiries, never a counter: what is ready holds a slot without expiry, what is
-- leased holds it until the lease runs out, so a crash cannot leak one.
local function has_free_slot(base, group, limit, now)
  return redis.call('ZCOUNT', base .. 'slots:' .. group, now, '+inf') < limit
end

local function make_ready(base, group, entry)
  local id = redis.call('XADD', base .. 'ready', '*', 'entry', entry)
  redis.call('HSET', base .. 'live', entry, id)
  redis.call('ZADD', base .. 'slots:' .. group, 'inf', entry)
end

-- An entry whose group has no free slot waits in the group's own line, so it never stands before another group.
local function admit(base, entry, limit, now)
  local group = group_of(entry)
  local line = base .. 'line:' .. group
  if redis.call('EXISTS', line) == 0 and has_free_slot(base, group, limit, now) then
    make_ready(base, group, entry)
  else
    redis.call('RPUSH', line, entry)
    redis.call('HSET', base .. 'live', entry, 'line')
    redis.call('SADD', base .. 'lines', group)
  end
end

local function advance(base, group, limit, now)
  local line = base .. 'line:' .. group
  while has_free_slot(base, group, limit, now) do
    local entry = redis.call('LPOP', line)
    if not entry then
      redis.call('SREM', base .. 'lines', group)
      return
    end
    make_ready(base, group, entry)
  end
end

local function remove_from_stream(base, pool, id)
  redis.call('XACK', base .. 'ready', pool, id)
  redis.call('XDEL', base .. 'ready', id)
end

-- What was signalled before this moment is seen by the run that starts now; what is due later stays remembered.
local function grant(base, pool, id, entry, token, expiry, now)
  if redis.call('HGET', base .. 'live', entry) ~= id then
    remove_from_stream(base, pool, id)
    return false
  end
  redis.call('HSET', base .. 'holder', entry, token)
  redis.call('ZADD', base .. 'slots:' .. group_of(entry), expiry, entry)
  local again = redis.call('HGET', base .. 'again', entry)
  if again and tonumber(again) <= now then
    redis.call('HDEL', base .. 'again', entry)
  end
  return true
end

local function is_missing_group(reply)
  return type(reply) == 'table' and reply.err and string.find(reply.err, 'NOGROUP', 1, true)
end
