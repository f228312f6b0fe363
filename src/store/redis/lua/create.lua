-- Creates one session.
--
-- KEYS[1]  the session's hash
-- ARGV     1 nonce of this call, 2 first token, 3 payload, 4 TTL in milliseconds, 5 principals,
--          6 (optional) 'dates' to request timestamps
-- Reply    nonce 'C' ttl   created; ttl is the milliseconds until the session expires
--          With timestamps, an array: that string, last write, expiry (write.lua).
--
-- Idempotent: ids are random, so a session under this id was created by an earlier run of this
-- call. It is left unchanged, since the other device may have written to it already.
--
-- The fields of the hash:
--   v  format version, for the release that introduces a second one
--   t  the current token, followed by the tokens before it, newest first. Once that list is full, a
--      byte with the number of writes follows. One field, so that a write reads and writes one.
--   d  payload
--   m  the PTTL at the last write. The time of that write is PEXPIRETIME - m
--   p  principals, if any, with shares that count the session: the ends of their keys
--      (acquire_lease.lua), 17 bytes each
--   q  records of txnIds, if any (write.lua)
local session, ttl = KEYS[1], ARGV[4]
if redis.call('EXISTS', session) == 1 then
  -- A write that changes nothing, for the reason in read.lua.
  redis.call('HDEL', session, '')
  ttl = redis.call('PTTL', session)
else
  if ARGV[5] == '' then
    redis.call('HSET', session, 'v', '1', 't', ARGV[2], 'd', ARGV[3], 'm', ttl)
  else
    redis.call('HSET', session, 'v', '1', 't', ARGV[2], 'd', ARGV[3], 'm', ttl, 'p', ARGV[5])
  end
  redis.call('PEXPIRE', session, ttl)
end
if ARGV[6] then
  local expires = redis.call('PEXPIRETIME', session)
  return {ARGV[1] .. 'C' .. ttl, expires - redis.call('HGET', session, 'm'), expires}
end
return ARGV[1] .. 'C' .. ttl
