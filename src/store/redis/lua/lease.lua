-- Functions that acquire the lease of a new session: its entry in the index of live sessions. For
-- acquire_lease.lua and create_with_lease.lua, which begin with this text and with these keys and
-- arguments.
--
-- KEYS     1 the index of all leases; then two for each principal that the lease counts towards:
--          its leases, and its rate of creations. Leases are sorted sets of short hashes of ids,
--          scored by the millisecond at which each expires. A rate is the microsecond at which the
--          principal's allowance is full again (GCRA). The script may have one more key.
-- ARGV     1 nonce of this call, 2 the member, 3 TTL of the lease (the session's TTL and the
--          command deadline, so that it never expires before its session), 4 how many expired
--          leases one call removes from each set, 5 maximum number of live sessions, 6 members of
--          earlier tries of this creation, joined; then four for each principal: its share of the
--          maximum, microseconds per creation, burst of creations, and which of its limits are in
--          shadow mode ('l' live, 'r' rate, both or neither). The script may have more arguments.
--
-- check_lease()   Returns nil if the lease can be acquired, or the reply that rejects it:
--                 nonce 'N' n kind ' ' ms: rejected for ms milliseconds by this limit; n is the
--                 principal, or 0 for the limit of all principals together; kind is 'l' or 'r'.
--                 Counts no lease and no creation.
-- add_lease()     Acquires the lease after check_lease() returned nil. Returns
--                 expired ' ' n kind …: the number of expired leases that it removed from the index,
--                 and the limits in shadow mode that would have rejected the lease.
--
-- Idempotent: a known member has its lease already, and is not counted again. A lease of an earlier
-- try becomes the member's, and is not counted again either.
--
-- No value rejects creations for ever, whatever another application, an operator or a clock that
-- was set back has left in these keys:
--   a rate in the future    at most a burst's refill passes until the whole burst is allowed again
--   a rate of junk          replaced; it counts as such a rate if it is NaN, and else as none
--   a lease in the future   if it makes a limit reject, it expires after the TTL of a lease, even
--                           if its session lives longer
--   another type            removed; the leases that it replaced are not counted any more
local index, member, lease_ttl, max_live = KEYS[1], ARGV[2], ARGV[3], tonumber(ARGV[5])
local principals = math.floor((#KEYS - 1) / 2)
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local now_text = string.format('%.0f', now)
local after_now = '(' .. now_text
-- How many leases in the future one call corrects: about a millisecond's work.
local CORRECTED = 1000

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

-- Returns the number of leases of a set that have not expired, and the size of the set. The first
-- is exact only if it is `enough` or more. ZCARD also counts expired leases that are not removed
-- yet, and an exact count is worth its cost only there.
local function count(leases, enough)
  local all = call_typed('ZCARD', leases)
  return all < enough and all or redis.call('ZCOUNT', leases, after_now, '+inf'), all
end

-- A lease ends at the latest after its TTL. If its score says more, the clock was set back since, or
-- session.ttl was longer.
local function correct_future(leases)
  local latest = string.format('%.0f', now + lease_ttl)
  local wrong = redis.call('ZRANGE', leases, '(' .. latest, '+inf', 'BYSCORE', 'LIMIT', '0', CORRECTED)
  local corrected = {}
  for _, name in ipairs(wrong) do
    corrected[#corrected + 1] = latest
    corrected[#corrected + 1] = name
  end
  if #wrong > 0 then
    redis.call('ZADD', leases, unpack(corrected))
  end
end

local function until_first_expires(leases)
  local first = redis.call('ZRANGE', leases, after_now, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  return (first[2] or now) - now
end

local function rejected(n, kind, wait)
  -- A write that changes nothing, for the reason in read.lua: a demoted primary must not decide by
  -- an old count. If the lease is acquired, ZADD has the same effect.
  redis.call('ZREM', index, '')
  return ARGV[1] .. 'N' .. n .. kind .. ' ' .. string.format('%.0f', math.ceil(wait))
end

local function rejected_by_leases(n, leases)
  -- A full index also shrinks the shares, so it is corrected whichever set is full.
  correct_future(index)
  if leases ~= index then
    correct_future(leases)
  end
  return rejected(n, 'l', until_first_expires(leases))
end

-- What check_lease() found, for add_lease(): whether the member has its lease already; the member of
-- an earlier try that has a lease; the limits in shadow mode; and for each principal, whether it has
-- no lease, and when its rate is full again.
local has_lease, earlier, shadowed, is_new, full_again = false, nil, '', {}, {}

local function check_lease()
  local total = count(index, max_live / 2)
  -- Without principals nothing is counted, and a second run always finds room unless the index is
  -- full.
  if (principals > 0 or total >= max_live) and redis.call('ZSCORE', index, member) then
    has_lease = true
    return nil
  end
  for tried in string.gmatch(ARGV[6], '............') do
    if redis.call('ZSCORE', index, tried) then
      earlier = tried
      return nil
    end
  end
  if total >= max_live then
    return rejected_by_leases(0, index)
  end
  -- Once more than half of max_live is in use, shares shrink with the square of the free rest, and
  -- the last leases go to principals that have none. So many addresses cannot take them cheaply
  -- (docs/adr/0011). Multiplied before the division: the factors are whole numbers, and a quotient of
  -- them is not.
  local twice_free = math.min(max_live, 2 * (max_live - total))

  for n = 1, principals do
    local leases, rate, at = KEYS[2 * n], KEYS[2 * n + 1], 4 * n + 2
    local period, burst, shadow = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), ARGV[at + 4]
    local share = math.max(1, math.floor(ARGV[at + 1] * twice_free * twice_free / (max_live * max_live)))
    local own, all = count(leases, share)
    is_new[n] = all == 0
    if own >= share then
      if not string.find(shadow, 'l', 1, true) then
        return rejected_by_leases(n, leases)
      end
      shadowed = shadowed .. n .. 'l'
    end
    local latest = micros + burst * period
    local known = tonumber(call_typed('GET', rate)) or 0
    -- No creation leaves a later rate. One creation is allowed, and leaves the latest; more would
    -- allow a burst to each of two replicas whose configurations differ. (NaN is no number below.)
    if not (known <= latest) then
      known = latest - period
    end
    full_again[n] = math.max(known, micros) + period
    local early = full_again[n] - latest
    if early > 0 then
      if not string.find(shadow, 'r', 1, true) then
        return rejected(n, 'r', early / 1000)
      end
      shadowed = shadowed .. n .. 'r'
      full_again[n] = nil
    end
  end
  return nil
end

local function add(leases, new)
  if new then
    redis.call('ZADD', leases, now + lease_ttl, member)
    redis.call('PEXPIRE', leases, lease_ttl)
    return
  end
  -- Bounded: removing a million leases at once stalls Redis for a tenth of a second. More than one,
  -- so that the removal outruns the growth.
  local expired = redis.call('ZRANGE', leases, '-inf', now_text, 'BYSCORE', 'LIMIT', '0', ARGV[4])
  if #expired > 0 then
    redis.call('ZREM', leases, unpack(expired))
  end
  redis.call('ZADD', leases, now + lease_ttl, member)
  -- A set expires with its last lease, or up to a minute later: to set its TTL each time would cost
  -- twice as much as to read it.
  if redis.call('PTTL', leases) < lease_ttl + 0 then
    redis.call('PEXPIRE', leases, lease_ttl + 60000)
  end
  return #expired
end

local function add_lease()
  if has_lease then
    return '0 '
  end
  if earlier then
    redis.call('ZREM', index, earlier)
  end
  local expired = add(index, false)
  for n = 1, principals do
    -- ZCARD removes a value of another type, as count() does for a new creation.
    if earlier and call_typed('ZCARD', KEYS[2 * n]) > 0 then
      redis.call('ZREM', KEYS[2 * n], earlier)
    end
    add(KEYS[2 * n], is_new[n])
    if full_again[n] then
      local ttl = math.ceil((full_again[n] - micros) / 1000)
      redis.call('SET', KEYS[2 * n + 1], string.format('%.0f', full_again[n]), 'PX', ttl)
    end
  end
  return string.format('%d', expired) .. ' ' .. shadowed
end
