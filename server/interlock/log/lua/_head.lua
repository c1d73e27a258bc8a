-- The code that all scripts share, put before each: a run's head, and the indexes of its shard that derive from it.
-- ARGV[1] is a MessagePack list of a script's arguments; a missing argument is false.

local FINAL = { COMPLETED = true, CANCELLED = true, ERROR = true }

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function unpacked(text)
  if not text or text == '' then return {} end
  return cmsgpack.unpack(text)
end

local function load_head(key)
  local f = redis.call('HMGET', key, 'epoch', 'next', 'status', 'owner', 'generation', 'pending', 'last', 'recent', 'first',
    'reducer', 'asleep')
  if not f[1] then return nil end
  return {
    epoch = tonumber(f[1]), next = tonumber(f[2]), status = f[3], owner = f[4], generation = tonumber(f[5]),
    pending = f[6] or '', last = f[7], recent = f[8], first = tonumber(f[9] or 0),
    reducer = tonumber(f[10] or 0), asleep = tonumber(f[11] or 0),
  }
end

-- A run sleeps if it waits for a time alone. `asleep` is the generation under which it was released so: a claim, by a
-- node of any version, ends the sleep, as its generation is another.
local function is_asleep(head)
  return head.owner == '' and head.asleep == head.generation and head.generation > 0 and not FINAL[head.status]
end

-- A lease belongs to an owner, not to a run: renewing costs the same for one run as for ten thousand.
local function is_live(owner, leases, now)
  if owner == '' then return false end
  local ends = redis.call('ZSCORE', leases, owner)
  return ends and tonumber(ends) > now
end

local function dump_head(head, leases)
  local owner = is_live(head.owner, leases, now_ms()) and head.owner or ''
  return { head.epoch, head.next, head.status, owner, head.generation, head.pending, head.first, head.reducer,
    is_asleep(head) and 1 or 0 }
end

-- A lease counts as expired only for a caller that has been in contact with Redis, without a gap, for a whole lease.
-- By then, owners that couldn't renew because Redis was away have had the time to renew.
local function may_expire(now, lease_ms, since, seen)
  return now - seen <= lease_ms / 2 and now - since >= lease_ms
end

-- `ready` has the runs that need an owner and have none (score: since when): to drive, or, if ended, to archive.
-- `paused` has the runs that wait, for people or for a time (score: since when).
-- `owned` has the runs with an owner, whatever their status: an owner may die before it has written a pause or an end.
-- Every owner in `owned` is also in `leases`, at least as expired, so that a run whose owner is gone is found.
local function index(head, run_id, ready, owned, leases, paused)
  local waits = head.status == 'PAUSED' or is_asleep(head)
  if head.owner == '' and not waits then
    redis.call('ZADD', ready, 'NX', now_ms(), run_id)
  else
    redis.call('ZREM', ready, run_id)
  end
  if head.owner == '' and waits then
    redis.call('ZADD', paused, 'NX', now_ms(), run_id)
  else
    redis.call('ZREM', paused, run_id)
  end
  if head.owner ~= '' then
    redis.call('HSET', owned, run_id, head.owner)
    redis.call('ZADD', leases, 'NX', 0, head.owner)
  else
    redis.call('HDEL', owned, run_id)
  end
end
