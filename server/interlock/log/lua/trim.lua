-- Drop the entries before an index, in whole batches; archived entries are dropped in the archive.
-- KEYS head, log
-- ARGV [epoch, index, is it known that a batch begins there]
local epoch, before, is_beginning = unpack(cmsgpack.unpack(ARGV[1]))
local head = load_head(KEYS[1])
if not head then return 0 end
if head.epoch ~= epoch or before <= head.first then return head.first end
before = math.min(before, head.next)

local first = before
if not is_beginning and before < head.next then
  local holding = redis.call('XREVRANGE', KEYS[2], string.format('%d-%d', epoch, before), epoch .. '-0', 'COUNT', 1)
  if #holding > 0 then first = tonumber(string.match(holding[1][1], '-(%d+)$')) end
end
redis.call('XTRIM', KEYS[2], 'MINID', string.format('%d-%d', epoch, first))
redis.call('HSET', KEYS[1], 'first', first)
return first
