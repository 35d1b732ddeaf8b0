-- KEYS[1] base; ARGV: entries. Returns for each {0 absent | 1 due | 2 ready | 3 leased, due time in ms or 0}.
local base = KEYS[1]
local places = {}
for i, entry in ipairs(ARGV) do
  local due = redis.call('ZSCORE', base .. 'due', entry)
  if redis.call('HEXISTS', base .. 'holder', entry) == 1 then
    places[i] = {3, 0}
  elseif redis.call('HEXISTS', base .. 'live', entry) == 1 then
    places[i] = {2, 0}
  elseif due then
    places[i] = {1, tonumber(due)}
  else
    places[i] = {0, 0}
  end
end
return places
