-- Make the caller the owner, under a new generation, of a run that has no other owner; create the head if requested.
-- KEYS head, ready, owned, leases, paused
-- ARGV [run id, owner, epoch to create?, lease in ms, how late it may come in ms, in touch since, last seen,
--       the caller's reducer]
local run_id, owner, epoch, lease_ms, late_ms, since, seen, reducer = unpack(cmsgpack.unpack(ARGV[1]))
local now = now_ms()
-- The sender may have given up by now, and would own a run without knowing it.
if now - seen > late_ms then return { now, 'late' } end

local head = load_head(KEYS[1])
if not head then
  if not epoch then return { now, 'no_run' } end
  head = { epoch = epoch, next = 0, status = 'PENDING', owner = '', generation = 0, pending = '', first = 0,
    reducer = 0, asleep = 0 }
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'next', 0, 'status', head.status)
end
if head.reducer > reducer then return { now, 'too_new', dump_head(head, KEYS[4]) } end
if FINAL[head.status] then return { now, 'ended', dump_head(head, KEYS[4]) } end

local function is_anothers()
  if head.owner == '' or head.owner == owner then return false end
  return is_live(head.owner, KEYS[4], now) or not may_expire(now, lease_ms, since, seen)
end
if is_anothers() then return { now, 'owned', dump_head(head, KEYS[4]) } end

local abandoned = head.owner ~= '' and 1 or 0
head.owner, head.generation = owner, head.generation + 1
redis.call('HSET', KEYS[1], 'owner', owner, 'generation', head.generation)
redis.call('ZADD', KEYS[4], 'GT', now + lease_ms, owner)
index(head, run_id, KEYS[2], KEYS[3], KEYS[4], KEYS[5])
return { now, 'claimed', dump_head(head, KEYS[4]), abandoned }
