-- Takes a place among the live sessions: the lease, which comes before the session.
--
-- KEYS     1 the index of all leases; then two of each principal whom the place is counted against: their
--          leases, and their rate of creations. Leases are sorted sets of short hashes of ids, scored by the
--          millisecond each ends; a rate is the microsecond at which their allowance is full again (GCRA)
-- ARGV     1 nonce of this call, 2 the member, 3 how long the lease lasts (the session's TTL and the
--          command deadline, so that it never ends before its session), 4 how many ended leases one call
--          sweeps of each set, 5 how many may live in all; then four of each principal: their share of that,
--          microseconds a creation, creations at once, and which of their limits only count ('l' live, 'r'
--          rate, both or neither)
-- Reply    nonce 'T' ended ' ' n kind …           taken; how many ended leases were swept of the index, and the
--                                                 limits that would have refused, were they not to count
--                                                 only: n is the principal, kind 'l' or 'r'
--          nonce 'N' n kind ' ' milliseconds      refused until then; n is 0 for all together. Nothing was
--                                                 written
--
-- Twice is harmless: a member that is known has its place already, and is not charged again.
local index, member, hold, cap = KEYS[1], ARGV[2], ARGV[3], tonumber(ARGV[5])
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local now_text = string.format('%.0f', now)
local after_now = '(' .. now_text

-- How many of a set have not ended, where that is `enough` or more; and how many there are. ZCARD counts ended
-- leases that are not swept yet, so only there is the exact count worth it.
local function count(leases, enough)
  local all = redis.call('ZCARD', leases)
  return all < enough and all or redis.call('ZCOUNT', leases, after_now, '+inf'), all
end

local function until_first_ends(leases)
  local first = redis.call('ZRANGE', leases, after_now, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  return (first[2] or now) - now
end

local function refused(n, kind, wait)
  -- The write that changes nothing is read.lua's: a primary that was demoted must not answer by an old
  -- count. Where a place is taken, ZADD does as much. (It may pass though memory is short, behind the
  -- ZREM of ended leases; then create.lua is refused, and the worker gives the place back.)
  redis.call('ZREM', index, '')
  return ARGV[1] .. 'N' .. n .. kind .. ' ' .. string.format('%.0f', math.ceil(wait))
end

local total = count(index, cap / 2)
-- Without principals nothing is charged, and there is always room for a second time but in a full house.
if (#KEYS > 1 or total >= cap) and redis.call('ZSCORE', index, member) then
  return ARGV[1] .. 'T0 '
end
if total >= cap then
  return refused(0, 'l', until_first_ends(index))
end
-- From half full on shares shrink, by the square of what is left, and the last places go to those who have
-- none: many addresses cannot take them cheaply (docs/adr/0011). Multiplied before it is divided, since these
-- are whole numbers and a quotient of them is not.
local twice = math.min(cap, 2 * (cap - total))

local shadowed, is_new, full_again = '', {}, {}
for n = 1, (#KEYS - 1) / 2 do
  local leases, rate, at = KEYS[2 * n], KEYS[2 * n + 1], 4 * n + 1
  local period, burst, shadow = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), ARGV[at + 4]
  local share = math.max(1, math.floor(ARGV[at + 1] * twice * twice / (cap * cap)))
  local own, all = count(leases, share)
  is_new[n] = all == 0
  if own >= share then
    if not string.find(shadow, 'l', 1, true) then
      return refused(n, 'l', until_first_ends(leases))
    end
    shadowed = shadowed .. n .. 'l'
  end
  -- No further ahead than it can be: a clock that was set back must not lock anyone out, nor must a stranger's key.
  local known = math.min(tonumber(redis.call('GET', rate)) or 0, micros + burst * period)
  full_again[n] = math.max(known, micros) + period
  local early = full_again[n] - micros - burst * period
  if early > 0 then
    if not string.find(shadow, 'r', 1, true) then
      return refused(n, 'r', early / 1000)
    end
    shadowed = shadowed .. n .. 'r'
    full_again[n] = nil
  end
end

local function take(leases, new)
  if new then
    redis.call('ZADD', leases, now + hold, member)
    redis.call('PEXPIRE', leases, hold)
    return
  end
  -- Bounded: sweeping a million at once stalls Redis for a tenth of a second. More than one, so that
  -- the sweep outruns the growth.
  local ended = redis.call('ZRANGE', leases, '-inf', now_text, 'BYSCORE', 'LIMIT', '0', ARGV[4])
  if #ended > 0 then
    redis.call('ZREM', leases, unpack(ended))
  end
  redis.call('ZADD', leases, now + hold, member)
  -- A set goes when its last lease has ended, or up to a minute later: to move its end each time would cost twice
  -- as much as to ask for it.
  if redis.call('PTTL', leases) < hold + 0 then
    redis.call('PEXPIRE', leases, hold + 60000)
  end
  return #ended
end

local ended = take(index, false)
for n = 1, (#KEYS - 1) / 2 do
  take(KEYS[2 * n], is_new[n])
  if full_again[n] then
    local left = math.ceil((full_again[n] - micros) / 1000)
    redis.call('SET', KEYS[2 * n + 1], string.format('%.0f', full_again[n]), 'PX', left)
  end
end
return ARGV[1] .. 'T' .. string.format('%d', ended) .. ' ' .. shadowed
