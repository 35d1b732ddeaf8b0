-- KEYS: bases; ARGV: pool, consumer ('' is any), idle time in ms. Returns how many were deleted.
-- Deleting a consumer drops what is pending for it, so only one without pending entries is ever deleted, and the
-- check and the deletion are one script.
local pool, wanted, idle = ARGV[1], ARGV[2], tonumber(ARGV[3])
local deleted = 0
for _, base in ipairs(KEYS) do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', base .. 'ready', pool)
  if not consumers.err then
    for _, fields in ipairs(consumers) do
      local consumer = {}
      for i = 1, #fields, 2 do
        consumer[fields[i]] = fields[i + 1]
      end
      if consumer.pending == 0 and consumer.idle >= idle and (wanted == '' or wanted == consumer.name) then
        redis.call('XGROUP', 'DELCONSUMER', base .. 'ready', pool, consumer.name)
        deleted = deleted + 1
      end
    end
  end
end
return deleted
