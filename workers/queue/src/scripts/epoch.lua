-- KEYS[1] the epoch; ARGV[1] its value if there is none. Returns 1 when this call began a new epoch.
if redis.call('SET', KEYS[1], ARGV[1], 'NX') then
  return 1
end
return 0
