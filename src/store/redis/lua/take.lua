-- Takes a place among the live sessions: the lease, which comes before the session.
--
-- KEYS     1 the index of all leases; then one of each principal whose share the place is counted
--          against. Each is a sorted set of short hashes of ids, scored by the millisecond their lease
--          ends
-- ARGV     1 nonce of this call, 2 the member, 3 how long the lease lasts (the session's TTL and the
--          command deadline, so that it never ends before its session), 4 how many ended leases one call
--          sweeps of each set, 5 how many may live in all; then each principal's share
-- Reply    nonce 'T'                                taken
--          nonce 'N' n ' ' milliseconds until a place  KEYS[n] is full; nothing was written
--
-- Twice is harmless: a member that is known has its place already, and a lease that ends a little later
-- costs nothing.
local index, member, hold = KEYS[1], ARGV[2], ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local after_now = string.format('(%.0f', now)

for n, leases in ipairs(KEYS) do
  local cap = tonumber(ARGV[n + 4])
  -- ZCARD counts ended leases that are not swept yet, so only at the cap is the exact count worth it.
  if redis.call('ZCARD', leases) >= cap then
    -- The write that changes nothing is read.lua's: a primary that was demoted must not answer by an old
    -- count. Where a place is taken, ZADD does as much. (It may pass though memory is short, behind the
    -- ZREM of ended leases; then create.lua is refused, and the worker gives the place back.)
    redis.call('ZREM', index, '')
    if redis.call('ZSCORE', index, member) then
      return ARGV[1] .. 'T'
    end
    if redis.call('ZCOUNT', leases, after_now, '+inf') >= cap then
      local first = redis.call('ZRANGE', leases, after_now, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
      return ARGV[1] .. 'N' .. n .. ' ' .. string.format('%.0f', (first[2] or now) - now)
    end
  end
end

for _, leases in ipairs(KEYS) do
  -- Bounded: sweeping a million at once stalls Redis for a tenth of a second. More than one, so that
  -- the sweep outruns the growth.
  local ended = redis.call('ZRANGE', leases, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[4])
  if #ended > 0 then
    redis.call('ZREM', leases, unpack(ended))
  end
  redis.call('ZADD', leases, now + hold, member)
  -- A set goes when its last lease has ended; a worker with a shorter TTL must not shorten that (GT).
  -- GT takes a key without an end for one that never ends, so a new set gets its first end by NX.
  if redis.call('PEXPIRE', leases, hold, 'GT') == 0 then
    redis.call('PEXPIRE', leases, hold, 'NX')
  end
end
return ARGV[1] .. 'T'
