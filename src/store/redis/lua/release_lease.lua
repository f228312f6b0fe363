-- Releases the lease of one session.
--
-- KEYS     the index and each principal's set of leases (acquire_lease.lua)
-- ARGV     1 nonce of this call, 2 the member
-- Reply    nonce 'R'
--
-- Idempotent: a second run finds no such member. A value of another type has no members either.
for _, leases in ipairs(KEYS) do
  local removed = redis.pcall('ZREM', leases, ARGV[2])
  if type(removed) == 'table' and not string.find(removed.err, 'WRONGTYPE', 1, true) then
    return removed
  end
end
return ARGV[1] .. 'R'
