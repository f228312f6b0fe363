-- Takes a place among the live sessions: the lease, which comes before the session.
--
-- KEYS[1]  the index: a sorted set of short hashes of ids, scored by the millisecond their lease ends
-- ARGV     1 nonce of this call, 2 the member, 3 how long the lease lasts (the session's TTL and the
--          command deadline, so that it never ends before its session), 4 how many may live,
--          5 how many ended leases one call sweeps
-- Reply    nonce 'T'                            taken
--          nonce 'N' milliseconds until a place  full; nothing was written
--
-- Twice is harmless: a member that is known has its place already, and a lease that ends a little later
-- costs nothing.
local index, member, hold, cap = KEYS[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- ZCARD counts ended leases that are not swept yet, so only at the cap is the exact count worth it.
if redis.call('ZCARD', index) >= cap then
  -- The write that changes nothing is read.lua's: a primary that was demoted must not answer by an old
  -- count. Where a place is taken, ZADD does as much. (It may pass though memory is short, behind the
  -- ZREM of ended leases; then create.lua is refused, and the worker gives the place back.)
  redis.call('ZREM', index, '')
  if redis.call('ZSCORE', index, member) then
    return ARGV[1] .. 'T'
  end
  local after_now = string.format('(%.0f', now)
  if redis.call('ZCOUNT', index, after_now, '+inf') >= cap then
    local first = redis.call('ZRANGE', index, after_now, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    return ARGV[1] .. 'N' .. string.format('%.0f', (first[2] or now) - now)
  end
end
-- Bounded: sweeping a million at once stalls Redis for a tenth of a second. More than one, so that
-- the sweep outruns the growth.
local ended = redis.call('ZRANGE', index, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[5])
if #ended > 0 then
  redis.call('ZREM', index, unpack(ended))
end
redis.call('ZADD', index, now + hold, member)
-- The index goes when its last lease has ended; a worker with a shorter TTL must not shorten that (GT).
-- GT takes a key without an end for one that never ends, so a new index gets its first end by NX.
if redis.call('PEXPIRE', index, hold, 'GT') == 0 then
  redis.call('PEXPIRE', index, hold, 'NX')
end
return ARGV[1] .. 'T'
