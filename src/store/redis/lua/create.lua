-- Creates one session, after its lease was acquired. For a Cluster, where the two are in different
-- slots; elsewhere create_with_lease.lua does both.
--
-- KEYS[1]  the session's hash (session.lua)
-- ARGV     1 nonce of this call, 2 first token, 3 payload, 4 TTL in milliseconds, 5 principals,
--          6 (optional) 'dates' to request timestamps
-- Reply    nonce 'C' ttl   created; ttl is the milliseconds until the session expires
--          With timestamps, an array: that string, last write, expiry (write.lua).
--
-- Idempotent: create_session() is (session.lua). The worker does not rely on it, for the reason in
-- create_with_lease.lua.
local reply = ARGV[1] .. 'C' .. create_session(KEYS[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
if ARGV[6] then
  return with_timestamps(reply, KEYS[1])
end
return reply
