-- Return a run's head, and a page of its log: batches as (id, entries), from the one that contains the requested index.
-- KEYS head, log, leases
-- ARGV [first index (else that which the log begins with), bytes]
local first, budget = unpack(cmsgpack.unpack(ARGV[1]))
local head = load_head(KEYS[1])
if not head then return { false } end
local reply = { dump_head(head, KEYS[3]) }
first = first or head.first
if first < head.first or first >= head.next then return reply end

local asked = string.format('%d-%d', head.epoch, first)
local holding = redis.call('XREVRANGE', KEYS[2], asked, head.epoch .. '-0', 'COUNT', 1)
if #holding == 0 then return reply end

-- The number of batches that fill the page is unknown: fetch a few, then estimate the number from their size.
local from, count, bytes, batches = holding[1][1], 4, 0, 0
while count > 0 do
  local page = redis.call('XRANGE', KEYS[2], from, head.epoch, 'COUNT', count)
  for _, batch in ipairs(page) do
    local id, entries = batch[1], batch[2][2]
    bytes = bytes + #entries
    if batches > 0 and bytes > budget then return reply end
    batches = batches + 1
    table.insert(reply, id)
    table.insert(reply, entries)
    from = '(' .. id
  end
  if #page < count then return reply end
  count = math.min(4 * count, 256, math.floor((budget - bytes) * batches / bytes))
end
return reply
