-- KEYS: bases; ARGV: pool, consumer, token, how many at most, lease in ms.
-- Returns {1 if groups had to be created, {{partition index, stream id, entry}, ...}}.
local pool, consumer, token = ARGV[1], ARGV[2], ARGV[3]
local remaining, now = tonumber(ARGV[4]), now_ms()
local expiry = now + tonumber(ARGV[5])
local created, taken, position = 0, {}, {}
for i, base in ipairs(KEYS) do
  position[base .. 'ready'] = i
end

local function create_groups()
  created = 1
  for _, base in ipairs(KEYS) do
    redis.pcall('XGROUP', 'CREATE', base .. 'ready', pool, '0', 'MKSTREAM')
  end
end

local function read(first, last, count)
  local command = {'XREADGROUP', 'GROUP', pool, consumer, 'COUNT', count, 'STREAMS'}
  for i = first, last do
    command[#command + 1] = KEYS[i] .. 'ready'
  end
  for _ = first, last do
    command[#command + 1] = '>'
  end
  local reply = redis.pcall(unpack(command))
  if is_missing_group(reply) then
    create_groups()
    reply = redis.pcall(unpack(command))
  end
  if type(reply) == 'table' and reply.err then
    error(reply.err)
  end
  local busy = {}
  for _, stream in ipairs(reply or {}) do
    local i = position[stream[1]]
    busy[#busy + 1] = i
    for _, item in ipairs(stream[2]) do
      local id, entry = item[1], item[2][2]
      if grant(KEYS[i], pool, id, entry, token, expiry, now) then
        taken[#taken + 1] = {i, id, entry}
        remaining = remaining - 1
      end
    end
  end
  return busy
end

-- First one of each partition, then what is left: COUNT counts per stream, hence windows no wider than the rest.
local busy, first = {}, 1
while remaining > 0 and first <= #KEYS do
  local last = math.min(#KEYS, first + remaining - 1)
  for _, i in ipairs(read(first, last, 1)) do
    busy[#busy + 1] = i
  end
  first = last + 1
end
for _, i in ipairs(busy) do
  if remaining > 0 then
    read(i, i, remaining)
  end
end
return {created, taken}
