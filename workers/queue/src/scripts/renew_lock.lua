-- KEYS[1] lock; ARGV: holder, time to live in ms. Extends only one's own lock.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
