-- Counts the live sessions.
--
-- KEYS[1]  the index (check_lease.lua)
-- ARGV     1 nonce of this call
-- Reply    nonce 'L' count
--
-- Idempotent: it changes nothing. A value of another type holds no leases, and the next creation
-- removes it.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local live = redis.pcall('ZCOUNT', KEYS[1], '(' .. now, '+inf')
if type(live) == 'table' then
  if not string.find(live.err, 'WRONGTYPE', 1, true) then
    return live
  end
  live = 0
end
return ARGV[1] .. 'L' .. live
