-- Begin an epoch: create a head without an owner, and no entries, in place of what is left of an earlier epoch.
-- KEYS head, log, ready, owned, leases, paused
-- ARGV [run id, epoch, first index, status, generation, pending, the channel of its growth before the run id,
--       the least reducer that can read what is before the first index]
local run_id, epoch, first, status, generation, pending, grown, needed = unpack(cmsgpack.unpack(ARGV[1]))
local before = load_head(KEYS[1])
if before and before.epoch >= epoch then return 0 end

redis.call('DEL', KEYS[1], KEYS[2])
local head = { epoch = epoch, first = first, next = first, status = status, owner = '', generation = generation,
  asleep = 0 }
redis.call('HSET', KEYS[1], 'epoch', epoch, 'first', first, 'next', first, 'status', status, 'owner', '',
  'generation', generation, 'pending', #pending > 0 and cmsgpack.pack(pending) or '', 'reducer', needed)
index(head, run_id, KEYS[3], KEYS[4], KEYS[5], KEYS[6])
redis.call('PUBLISH', grown .. run_id, string.format('%d-%d', epoch, first))
return 1
