-- Announce that a run needs an owner, if it has none; create its head if it is about to begin.
-- KEYS head, ready, owned, leases, paused
-- ARGV [run id, epoch, the channel for announcements]
local run_id, epoch, channel = unpack(cmsgpack.unpack(ARGV[1]))
local head = load_head(KEYS[1])
if head and head.owner ~= '' then return end
if head then
  redis.call('PUBLISH', channel, run_id)
  return
end
head = { epoch = epoch, next = 0, status = 'PENDING', owner = '', generation = 0, asleep = 0 }
redis.call('HSET', KEYS[1], 'epoch', epoch, 'next', 0, 'status', head.status, 'owner', '', 'generation', 0)
index(head, run_id, KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('PUBLISH', channel, run_id)
