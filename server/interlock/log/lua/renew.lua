-- Renew an owner's lease on everything that it owns in this shard.
-- KEYS leases
-- ARGV [owner, lease in ms]
local owner, lease_ms = unpack(cmsgpack.unpack(ARGV[1]))
local now = now_ms()
redis.call('ZADD', KEYS[1], 'GT', now + lease_ms, owner)
return now
