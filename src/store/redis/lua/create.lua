-- Creates one session.
--
-- KEYS[1]  the session's hash
-- ARGV     1 nonce of this call, 2 first token, 3 payload, 4 TTL in milliseconds, 5 principals, 6 'dates'
--          where they are wanted
-- Reply    nonce 'C' milliseconds left; with dates an array: that, last write, expiry (write.lua)
--
-- Twice is harmless: ids are random, so a session that exists under this one is the first run's, and
-- is left as it is (its owner may have written already).
--
-- The hash: v format version (for the release that will have a second one); t current token, with the
-- ones before it behind it, newest first, and how many writes there were where those are full (so that a
-- write has one field to read and to write); d payload;
-- m how long the session had left at its last write, in milliseconds (its TTL tells the rest); p principals
-- whose shares its place is counted against, where there are any, by the ends of their keys (acquire_lease.lua), 17 bytes
-- each; q records of txnIds, once there are any (write.lua).
local session, left = KEYS[1], ARGV[4]
if redis.call('EXISTS', session) == 1 then
  -- The write that changes nothing is read.lua's.
  redis.call('HDEL', session, '')
  left = redis.call('PTTL', session)
else
  if ARGV[5] == '' then
    redis.call('HSET', session, 'v', '1', 't', ARGV[2], 'd', ARGV[3], 'm', left)
  else
    redis.call('HSET', session, 'v', '1', 't', ARGV[2], 'd', ARGV[3], 'm', left, 'p', ARGV[5])
  end
  redis.call('PEXPIRE', session, left)
end
if ARGV[6] then
  local expires = redis.call('PEXPIRETIME', session)
  return {ARGV[1] .. 'C' .. left, expires - redis.call('HGET', session, 'm'), expires}
end
return ARGV[1] .. 'C' .. left
