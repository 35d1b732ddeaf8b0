-- KEYS: base of each item; ARGV: pool, token, lease in ms, then pairs of stream id and entry.
-- Leases what a blocking read delivered, unless somebody took it over meanwhile. Returns the positions granted.
local pool, token, now = ARGV[1], ARGV[2], now_ms()
local expiry = now + tonumber(ARGV[3])
local granted = {}
for i, base in ipairs(KEYS) do
  local id, entry = ARGV[2 + 2 * i], ARGV[3 + 2 * i]
  if redis.call('HEXISTS', base .. 'holder', entry) == 0 and grant(base, pool, id, entry, token, expiry, now) then
    granted[#granted + 1] = i
  end
end
return granted
