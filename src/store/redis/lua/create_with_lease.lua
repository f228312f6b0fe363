-- Acquires the lease of a new session and creates the session, in one step. Not for a Cluster, where
-- the two are in different slots.
--
-- KEYS     those of lease.lua, then the session's hash (session.lua)
-- ARGV     those of lease.lua, then the session's first token, payload, TTL in milliseconds,
--          principals, and (optional) 'dates' to request timestamps
-- Reply    nonce 'C' ttl ' ' expired ' ' n kind …   created. ttl is the milliseconds until the
--                                   session expires; what follows is add_lease()'s (lease.lua).
--                                   With timestamps, an array: that string, last write, expiry
--                                   (write.lua).
--          nonce 'N' n kind ' ' ms  rejected (check_lease() in lease.lua). No lease and no
--                                   creation was counted.
--
-- Idempotent: both functions are. A second run finds the lease and the session of the first one. The
-- worker does not rely on it: after a try that may have run, it takes another id. A late run would
-- create the session anew if it was deleted meanwhile.
--
-- The session comes before its lease: if memory is short, Redis refuses a script at its first write,
-- but not at a ZADD after the ZREM of expired leases. The HSET is that first write, unless
-- check_lease() had to remove a value of another type. Redis refuses no write after the first, so
-- neither of the two is left without the other.
local rejection = check_lease()
if rejection then
  return rejection
end
local session, first = KEYS[#KEYS], 7 + 4 * principals
local ttl = create_session(session, ARGV[first], ARGV[first + 1], ARGV[first + 2], ARGV[first + 3])
local reply = ARGV[1] .. 'C' .. ttl .. ' ' .. add_lease()
if ARGV[first + 4] then
  return with_timestamps(reply, session)
end
return reply
