-- Releases the lease of one session.
--
-- KEYS     the index and each principal's set of leases (acquire_lease.lua)
-- ARGV     1 nonce of this call, 2 the member
-- Reply    nonce 'R'
--
-- Idempotent: a second run finds no such member.
for _, leases in ipairs(KEYS) do
  redis.call('ZREM', leases, ARGV[2])
end
return ARGV[1] .. 'R'
