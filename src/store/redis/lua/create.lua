-- Creates one session.
--
-- KEYS[1]  the session's hash
-- ARGV     1 nonce of this call, 2 first token, 3 payload, 4 TTL in milliseconds
-- Reply    {nonce, 'C', milliseconds left}
--
-- Twice is harmless: ids are random, so a session that exists under this one is the first run's, and
-- is left as it is (its owner may have written already).
local session = KEYS[1]
if redis.call('EXISTS', session) == 1 then
  return {ARGV[1], 'C', tostring(redis.call('PTTL', session))}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- v: format version; t: token; d: payload; x: expiry; m: last write (both in Redis's milliseconds).
-- Later: r: the tokens before t; q: records of txnIds (write.lua).
redis.call('HSET', session, 'v', '1', 't', ARGV[2], 'd', ARGV[3],
  'x', string.format('%.0f', now + ARGV[4]), 'm', string.format('%.0f', now))
redis.call('PEXPIRE', session, ARGV[4])
return {ARGV[1], 'C', ARGV[4]}
