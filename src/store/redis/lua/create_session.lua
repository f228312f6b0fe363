-- A part of create.lua and create_with_lease.lua: creates the session.
--
-- KEYS     the last one: the session's hash
-- ARGV     the last five: first token, payload, TTL in milliseconds, principals (or ''), and 'dates'
--          to request timestamps (or '')
--
-- The first command is one that a demoted primary refuses, and Redis if memory is short.
--
-- Not idempotent: a second run would replace what the other device has written meanwhile. After a
-- try that may have run, the worker takes another id (docs/consistency.md, "Late creations").
--
-- The fields of the hash:
--   v  format version, for the release that introduces a second one
--   t  the current token, followed by the tokens before it, newest first. Once that list is full, a
--      byte with the number of writes follows. One field, so that a write reads and writes one.
--   d  payload
--   m  the PTTL at the last write. The time of that write is PEXPIRETIME - m
--   p  principals, if any, whose leases a deletion releases: the ends of their keys
--      (check_lease.lua), 17 bytes each. Wide networks are not among them: they count a deleted
--      session until its lease expires (store/session_limits.rs)
--   r  '1' once the other device has read the session, or a poll has reported that it did not
--      (read.lua). A session of the previous release has none until then
--   q  records of txnIds, if any (write.lua)
local session, last = KEYS[#KEYS], #ARGV
local token, payload, ttl, released = ARGV[last - 4], ARGV[last - 3], ARGV[last - 2], ARGV[last - 1]
if released == '' then
  redis.call('HSET', session, 'v', '1', 't', token, 'd', payload, 'm', ttl)
else
  redis.call('HSET', session, 'v', '1', 't', token, 'd', payload, 'm', ttl, 'p', released)
end
redis.call('PEXPIRE', session, ttl)
