-- Delete a run's log if its head is still the one that was copied; the head stays.
-- KEYS head, log, ready, owned, paused
-- ARGV [run id, epoch, next, status]
local run_id, epoch, next_index, status = unpack(cmsgpack.unpack(ARGV[1]))
local head = load_head(KEYS[1])
if not head or head.epoch ~= epoch or head.next ~= next_index or head.status ~= status then
  return 0
end
if not FINAL[status] and (head.owner ~= '' or not (status == 'PAUSED' or is_asleep(head))) then return 0 end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], run_id)
redis.call('HDEL', KEYS[4], run_id)
redis.call('ZREM', KEYS[5], run_id)
return 1
