-- Return the runs that need an owner, the longest waiting first, then those whose owner's lease has expired.
-- KEYS ready, owned, leases
-- ARGV [how many, lease in ms, in touch since, last seen]
local limit, lease_ms, since, seen = unpack(cmsgpack.unpack(ARGV[1]))
local now = now_ms()
local runs = redis.call('ZRANGE', KEYS[1], 0, limit - 1)
if may_expire(now, lease_ms, since, seen) then
  local expired = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now)
  if #expired > 0 then
    local runs_of, owned = {}, redis.call('HGETALL', KEYS[2])
    for _, owner in ipairs(expired) do runs_of[owner] = 0 end
    for i = 1, #owned, 2 do
      local owner = owned[i + 1]
      if runs_of[owner] then
        runs_of[owner] = runs_of[owner] + 1
        if #runs < limit then table.insert(runs, owned[i]) end
      end
    end
    -- A missing lease counts as expired. Removing it saves scanning `owned` again and again.
    for _, owner in ipairs(expired) do
      if runs_of[owner] == 0 then redis.call('ZREM', KEYS[3], owner) end
    end
  end
end
table.insert(runs, 1, now)
return runs
