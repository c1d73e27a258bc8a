-- Release a run, unless its log has grown since the owner last looked.
-- KEYS head, ready, owned, leases, paused
-- ARGV [run id, generation, expected next, whether it sleeps]
local run_id, generation, expect_next, asleep = unpack(cmsgpack.unpack(ARGV[1]))
local head = load_head(KEYS[1])
if not head then return { 'no_run' } end
if head.generation ~= generation then return { 'not_owner', dump_head(head, KEYS[4]) } end
if head.owner == '' then return { 'released' } end
if head.next ~= expect_next then return { 'tail_moved', dump_head(head, KEYS[4]) } end

head.owner, head.asleep = '', asleep and generation or 0
redis.call('HSET', KEYS[1], 'owner', '', 'asleep', head.asleep)
index(head, run_id, KEYS[2], KEYS[3], KEYS[4], KEYS[5])
return { 'released' }
