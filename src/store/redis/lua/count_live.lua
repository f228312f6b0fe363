-- Counts the live sessions.
--
-- KEYS[1]  the index (acquire_lease.lua)
-- ARGV     1 nonce of this call
-- Reply    nonce 'L' count
--
-- Idempotent: it changes nothing.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
return ARGV[1] .. 'L' .. redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf')
