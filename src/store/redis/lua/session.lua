-- Functions that create a session. For create.lua and create_with_lease.lua, which begin with this
-- text.
--
-- create_session(session, token, payload, ttl, principals)
--     Creates the session under this key, and returns the milliseconds until it expires. principals
--     may be ''. A session that exists is left unchanged. Either way the first command that is not a
--     read is one that a demoted primary refuses; for a new session it is also one that Redis
--     refuses if memory is short.
-- with_timestamps(reply, session)
--     Returns the reply as an array with the session's timestamps: that string, last write, expiry
--     (write.lua).
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
--      (lease.lua), 17 bytes each
--   q  records of txnIds, if any (write.lua)
local function create_session(session, token, payload, ttl, principals)
  if redis.call('EXISTS', session) == 1 then
    -- A write that changes nothing, for the reason in read.lua.
    redis.call('HDEL', session, '')
    return redis.call('PTTL', session)
  end
  if principals == '' then
    redis.call('HSET', session, 'v', '1', 't', token, 'd', payload, 'm', ttl)
  else
    redis.call('HSET', session, 'v', '1', 't', token, 'd', payload, 'm', ttl, 'p', principals)
  end
  redis.call('PEXPIRE', session, ttl)
  return ttl
end

local function with_timestamps(reply, session)
  local expires = redis.call('PEXPIRETIME', session)
  return {reply, expires - redis.call('HGET', session, 'm'), expires}
end
