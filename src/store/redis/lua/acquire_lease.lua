-- Acquires the lease of a new session, before the session is created. For a Cluster, where the two
-- are in different slots; elsewhere create_with_lease.lua does both.
--
-- KEYS     those of lease.lua
-- ARGV     those of lease.lua
-- Reply    nonce 'T' expired ' ' n kind …   acquired; what follows is add_lease()'s (lease.lua)
--          nonce 'N' n kind ' ' ms          rejected (check_lease() in lease.lua). No lease and
--                                           no creation was counted.
--
-- Idempotent: a known member has its lease already, and is not counted again.
--
-- If memory is short, Redis refuses the ZADD, but not a ZADD after the ZREM of expired leases. Then
-- it refuses create.lua, and the replica releases the lease.
local rejection = check_lease()
if rejection then
  return rejection
end
return ARGV[1] .. 'T' .. add_lease()
