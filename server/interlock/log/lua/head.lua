-- Return the head of a run.
-- KEYS head, leases
local head = load_head(KEYS[1])
return head and dump_head(head, KEYS[2])
