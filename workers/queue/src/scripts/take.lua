-- KEYS: bases; ARGV: pool, consumer, token, how many at most, lease in ms, the stream id with which the visit of the first
-- partition ends ('' when it begins now).
-- Returns {1 if groups had to be created, {{partition index, stream id, entry}, ...}, the partition that comes first in
-- the next call, the stream id with which its visit ends ('' when it begins then)}.
--
-- A visit serves all that was ready in a partition when it began, over as many calls as that takes. One entry of each
-- partition in turn would let groups that happen to share one wait for each other while others wait for nobody; with
-- visits everybody waits about equally long, and what becomes ready meanwhile waits for the next.
local pool, consumer, token = ARGV[1], ARGV[2], ARGV[3]
local remaining, now = tonumber(ARGV[4]), now_ms()
local expiry = now + tonumber(ARGV[5])
local created, taken = 0, {}

local function create_groups()
  created = 1
  for _, base in ipairs(KEYS) do
    redis.pcall('XGROUP', 'CREATE', base .. 'ready', pool, '0', 'MKSTREAM')
  end
end

-- Takes what there is room for, and returns the stream id of the last.
local function read(i)
  local stream = KEYS[i] .. 'ready'
  local reply = redis.pcall('XREADGROUP', 'GROUP', pool, consumer, 'COUNT', remaining, 'STREAMS', stream, '>')
  if is_missing_group(reply) then
    create_groups()
    reply = redis.call('XREADGROUP', 'GROUP', pool, consumer, 'COUNT', remaining, 'STREAMS', stream, '>')
  elseif reply and reply.err then
    error(reply.err)
  end
  local last
  for _, item in ipairs(reply and reply[1][2] or {}) do
    local id, entry = item[1], item[2][2]
    last = id
    if grant(KEYS[i], pool, id, entry, token, expiry, now) then
      taken[#taken + 1] = {i, id, entry}
      remaining = remaining - 1
    end
  end
  return last
end

local function comes_before(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)%-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)%-(%d+)$')
  if a_ms ~= b_ms then
    return tonumber(a_ms) < tonumber(b_ms)
  end
  return tonumber(a_seq) < tonumber(b_seq)
end

local visited_to = ARGV[6]
for i = 1, #KEYS do
  local last = read(i)
  if remaining <= 0 then
    if visited_to == '' then
      visited_to = redis.call('XREVRANGE', KEYS[i] .. 'ready', '+', '-', 'COUNT', 1)[1][1]
    end
    if comes_before(last, visited_to) then
      return {created, taken, i, visited_to}
    end
    return {created, taken, i % #KEYS + 1, ''}
  end
  visited_to = ''
end
return {created, taken, 1, ''}
