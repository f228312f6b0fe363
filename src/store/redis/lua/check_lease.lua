-- The first part of acquire_lease.lua and create_with_lease.lua: checks whether a new session may
-- have a lease, that is its entry in the index of live sessions. If a limit rejects it, this part
-- returns the reply. Else add_lease.lua adds the lease.
--
-- KEYS     1 the index of all leases; then the leases of each principal that has a share, first of
--          those that the lease counts towards; then the rate of creations of each principal that
--          has one. Leases are sorted sets of short hashes of ids, scored by the millisecond at which
--          each expires. A rate is the microsecond at which the principal's allowance is full again
--          (GCRA). The script may have one more key.
-- ARGV     1 nonce of this call, 2 the member, 3 TTL of the lease (the session's TTL and the
--          command deadline, so that it never expires before its session), 4 maximum number of live
--          sessions, 5 members of earlier tries of this creation, joined, 6 number of principals,
--          7 number of those that the lease counts towards, 8 number of those with a rate; then two
--          for each principal: its share of the maximum, and 'l' if that limit is in shadow mode;
--          then three for each rate: microseconds per creation, burst of creations, and 'r' if that
--          limit is in shadow mode. The script may have more arguments.
-- Reply    nonce 'N' n kind ' ' ms   rejected for ms milliseconds by this limit; n is the principal,
--                                    or 0 for the limit of all principals together; kind is 'l' or
--                                    'r'. No lease and no creation was counted.
--
-- A lease of an earlier try becomes the member's, and is not counted again.
--
-- No value rejects creations for ever, whatever another application, an operator or a clock that
-- was set back has left in these keys:
--   a rate in the future    at most a burst's refill passes until the whole burst is allowed again
--   a rate of junk          replaced; it counts as such a rate if it is NaN, and else as none
--   a lease in the future   if it makes a limit reject, it expires after the TTL of a lease, even
--                           if its session lives longer
--   another type            removed; the leases that it replaced are not counted any more
--
-- This part and add_lease.lua have few functions, and no command that a creation can do without:
-- Redis runs one script at a time.
local index, member, lease_ttl, max_live = KEYS[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local principals, counting, rates = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)

-- Runs a command that fails if the key holds a value of another type. Removes such a value.
local function call_typed(command, key)
  local reply = redis.pcall(command, key)
  if type(reply) ~= 'table' then
    return reply
  end
  if string.find(reply.err, 'WRONGTYPE', 1, true) then
    redis.call('DEL', key)
  end
  -- Any other error fails again, and ends the script.
  return redis.call(command, key)
end

-- The sizes of the sets, expired leases included: of the index, then of each principal's leases.
local sizes = {[0] = call_typed('ZCARD', index)}
for n = 1, principals do
  sizes[n] = call_typed('ZCARD', KEYS[n + 1])
end

-- The member of an earlier try that has a lease.
local earlier
if ARGV[5] ~= '' then
  for tried in string.gmatch(ARGV[5], '............') do
    earlier = redis.call('ZSCORE', index, tried) and tried or earlier
  end
end

-- The number of leases that have not expired. An exact count is worth its cost only close to a limit.
local total = sizes[0]
if total >= max_live / 2 then
  total = redis.call('ZCOUNT', index, '(' .. now, '+inf')
end

-- For add_lease.lua: the limits in shadow mode that would reject the lease, and when each
-- principal's rate is full again.
local shadowed, full_again = '', {}
-- The limit that rejects the lease, the set that is full or the milliseconds to wait for the rate.
local limit, full, wait
if not earlier and total >= max_live then
  limit, full = '0l', index
elseif not earlier then
  -- Once more than half of max_live is in use, shares shrink with the square of the free rest, and
  -- the last leases go to principals that have none. So many addresses cannot take them cheaply
  -- (docs/adr/0011). Multiplied before the division: the factors are whole numbers, and a quotient of
  -- them is not.
  local twice_free = math.min(max_live, 2 * (max_live - total))
  local shrink = twice_free * twice_free
  for n = 1, principals do
    local share = math.max(1, math.floor(ARGV[2 * n + 7] * shrink / (max_live * max_live)))
    local own = sizes[n]
    if own >= share then
      own = redis.call('ZCOUNT', KEYS[n + 1], '(' .. now, '+inf')
    end
    if own >= share then
      if ARGV[2 * n + 8] == '' then
        limit, full = n .. 'l', KEYS[n + 1]
        break
      end
      shadowed = shadowed .. n .. 'l'
    end
    if n <= rates then
      local at = 2 * principals + 3 * n + 6
      local period, burst = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
      local latest = micros + burst * period
      local known = tonumber(call_typed('GET', KEYS[principals + 1 + n])) or 0
      -- No creation leaves a later rate. One creation is allowed, and leaves the latest; more would
      -- allow a burst to each of two replicas with different configurations. (NaN is no number below.)
      if not (known <= latest) then
        known = latest - period
      end
      local full_at = math.max(known, micros) + period
      if full_at <= latest then
        full_again[n] = full_at
      elseif ARGV[at + 2] ~= '' then
        shadowed = shadowed .. n .. 'r'
      else
        limit, wait = n .. 'r', (full_at - latest) / 1000
        break
      end
    end
  end
end

if limit then
  -- A lease ends at the latest after its TTL. If its score says more, the clock was set back since, or
  -- session.ttl was longer. A thousand are about a millisecond's work.
  local function correct_future(leases)
    local latest = string.format('%.0f', now + lease_ttl)
    local wrong = redis.call('ZRANGE', leases, '(' .. latest, '+inf', 'BYSCORE', 'LIMIT', '0', '1000')
    local corrected = {}
    for _, name in ipairs(wrong) do
      corrected[#corrected + 1] = latest
      corrected[#corrected + 1] = name
    end
    if #wrong > 0 then
      redis.call('ZADD', leases, unpack(corrected))
    end
  end
  if full then
    -- A full index also shrinks the shares, so it is corrected whichever set is full.
    correct_future(index)
    if full ~= index then
      correct_future(full)
    end
    -- A wide network has no rate. Its own first lease would show a client which sessions it counts.
    if tonumber(string.sub(limit, 1, 1)) > rates then
      full = index
    end
    local first = redis.call('ZRANGE', full, '(' .. now, '+inf', 'BYSCORE', 'LIMIT', '0', '1', 'WITHSCORES')
    wait = (first[2] or now + lease_ttl) - now
  end
  -- A write that changes nothing, for the reason in read.lua: a demoted primary must not decide by
  -- an old count. If the lease is acquired, ZADD has the same effect.
  redis.call('ZREM', index, '')
  return ARGV[1] .. 'N' .. limit .. ' ' .. string.format('%.0f', math.ceil(wait))
end
