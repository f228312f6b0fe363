-- Creates one session.
--
-- KEYS[1]  the session's hash
-- ARGV     1 nonce of this call, 2 first token, 3 payload, 4 TTL in milliseconds
-- Reply    nonce 'C' milliseconds left
--
-- Twice is harmless: ids are random, so a session that exists under this one is the first run's, and
-- is left as it is (its owner may have written already).
--
-- The hash: v format version (for the release that will have a second one); t current token, with the ones before it behind it, newest first (so
-- that a write has one field to read and to write); d payload; x expiry; m last write (both in Redis's
-- milliseconds); q records of txnIds, once there are any (write.lua).
local session, nonce = KEYS[1], ARGV[1]
if redis.call('HSETNX', session, 't', ARGV[2]) == 0 then
  return nonce .. 'C' .. redis.call('PTTL', session)
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', session, 'v', '1', 'd', ARGV[3],
  'x', now + ARGV[4], 'm', now)
redis.call('PEXPIRE', session, ARGV[4])
return nonce .. 'C' .. ARGV[4]
