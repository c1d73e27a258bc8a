-- Write a batch at the tail if the head allows it; a repeated append id only returns where it was written.
-- KEYS head, log, ready, owned, leases, paused
-- ARGV [run id, append id, count of entries, generation?, expected next?, known next?, status?, resolves, withdraws,
--       opens, how many appends of others to remember, the channel of its growth before the run id, the caller's
--       reducer, the least reducer that can fold the entries], entries
local run_id, append_id, count, generation, expect_next, known_next, status, resolves, withdraws, opens, remembered,
  grown, reducer, needed = unpack(cmsgpack.unpack(ARGV[1]))
local entries = ARGV[2]

local head = load_head(KEYS[1])
if not head then return { 'no_run' } end

-- Owners' appends are remembered separately from other writers' appends.
local recent = generation and { unpacked(head.last) } or unpacked(head.recent)

local function is_owned()
  return is_live(head.owner, KEYS[5], now_ms()) and 1 or 0
end

for _, place in ipairs(recent) do
  if place[1] == append_id then return { 'repeated', head.epoch, place[2], place[3], is_owned(), head.next } end
end

local pending, is_pending = unpacked(head.pending), {}
for _, id in ipairs(pending) do is_pending[id] = true end

local function refusal()
  if head.reducer > reducer then return 'too_new' end
  if generation and (head.owner == '' or head.generation ~= generation) then return 'not_owner' end
  if FINAL[head.status] then return 'ended' end
  for _, id in ipairs(resolves) do
    if not is_pending[id] then return 'not_pending' end
  end
  if expect_next and head.next ~= expect_next then return 'tail_moved' end
  -- An owner's append lies beyond what this one knows, so this is a delayed duplicate that its sender gave up.
  if generation and known_next and (recent[1][3] or 0) > known_next then return 'tail_moved' end
end

local reason = refusal()
if reason then return { reason, dump_head(head, KEYS[5]) } end

-- This write comes first, because Redis refuses it when its memory is full; after a write, no script is stopped midway.
local first = head.next
redis.call('XADD', KEYS[2], string.format('%d-%d', head.epoch, first), 'e', entries)
head.next = first + count
redis.call('HSET', KEYS[1], 'next', head.next)
if needed > head.reducer then redis.call('HSET', KEYS[1], 'reducer', needed) end

if generation then
  redis.call('HSET', KEYS[1], 'last', cmsgpack.pack({ append_id, first, head.next }))
else
  table.insert(recent, { append_id, first, head.next })
  if #recent > remembered then table.remove(recent, 1) end
  redis.call('HSET', KEYS[1], 'recent', cmsgpack.pack(recent))
end

local woken, changed = is_asleep(head), status and status ~= head.status
if woken then
  head.asleep = 0
  redis.call('HSET', KEYS[1], 'asleep', 0)
end
if changed then
  head.status = status
  redis.call('HSET', KEYS[1], 'status', status)
end
if changed or woken then
  index(head, run_id, KEYS[3], KEYS[4], KEYS[5], KEYS[6])
end

if FINAL[head.status] then
  redis.call('HDEL', KEYS[1], 'pending')
elseif #resolves + #withdraws + #opens > 0 then
  local gone, left = {}, {}
  for _, id in ipairs(resolves) do gone[id] = true end
  for _, id in ipairs(withdraws) do gone[id] = true end
  for _, id in ipairs(opens) do gone[id] = true end
  for _, id in ipairs(pending) do
    if not gone[id] then table.insert(left, id) end
  end
  local opened = {}
  for _, id in ipairs(opens) do
    if not opened[id] then table.insert(left, id) end
    opened[id] = true
  end
  redis.call('HSET', KEYS[1], 'pending', #left > 0 and cmsgpack.pack(left) or '')
end

redis.call('PUBLISH', grown .. run_id, string.format('%d-%d', head.epoch, head.next))
return { 'appended', head.epoch, first, head.next, generation and 1 or is_owned(), head.next }
