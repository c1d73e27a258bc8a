-- Delete a run's log, if its head is still what was copied; the head stays.
-- KEYS head, log
-- ARGV [epoch, next, status]
local epoch, next_index, status = unpack(cmsgpack.unpack(ARGV[1]))
local head = load_head(KEYS[1])
if not head or head.epoch ~= epoch or head.next ~= next_index or head.status ~= status then
  return 0
end
redis.call('DEL', KEYS[2])
return 1
