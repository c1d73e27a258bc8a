-- Return the runs that have waited for the given time, the longest waiting first.
-- KEYS paused
-- ARGV [milliseconds, how many]
local for_ms, limit = unpack(cmsgpack.unpack(ARGV[1]))
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms() - for_ms, 'LIMIT', 0, limit)
