-- Releases the lease of one session, after the session was deleted. For a Cluster, where the two are
-- in different slots; elsewhere delete_with_lease.lua does both.
--
-- KEYS     the index and each principal's set of leases (check_lease.lua)
-- ARGV     1 nonce of this call, 2 the member
-- Reply    nonce 'R'
--
-- Idempotent: release() is (release.lua).
for _, leases in ipairs(KEYS) do
  local failed = release(leases, ARGV[2])
  if failed then
    return failed
  end
end
return ARGV[1] .. 'R'
