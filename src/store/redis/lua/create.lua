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
-- x expiry; m last write (both in Redis's milliseconds); p principals whose shares its place is counted
-- against, where there are any, by the ends of their keys (take.lua), 17 bytes each; q records of txnIds,
-- once there are any (write.lua).
local session, left = KEYS[1], ARGV[4]
if redis.call('HSETNX', session, 't', ARGV[2]) == 0 then
  left = redis.call('PTTL', session)
else
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local fields = {'v', '1', 'd', ARGV[3], 'x', now + left, 'm', now}
  if ARGV[5] ~= '' then
    fields[9], fields[10] = 'p', ARGV[5]
  end
  redis.call('HSET', session, unpack(fields))
  redis.call('PEXPIRE', session, left)
end
if ARGV[6] then
  local dates = redis.call('HMGET', session, 'm', 'x')
  return {ARGV[1] .. 'C' .. left, tonumber(dates[1]), tonumber(dates[2])}
end
return ARGV[1] .. 'C' .. left
