-- A part of acquire_lease.lua and create_with_lease.lua: adds the lease of a new session after
-- check_lease.lua found no limit that rejects it.
--
-- Its result is the variable `acquired`: expired ' ' n kind …, the number of expired leases that it
-- removed from the index, and the limits in shadow mode that would have rejected the lease.
local expired_count = 0
if earlier then
  redis.call('ZREM', index, earlier)
end
for n = 0, counting do
  local leases = KEYS[n + 1]
  if earlier and n > 0 then
    redis.call('ZREM', leases, earlier)
  end
  -- Expired leases are looked for in a small set, and in a large one at every eighth size, which a
  -- growing set cannot skip. How many are removed is bounded: a million at once would stall Redis for a
  -- tenth of a second. It is more than eight, so that the removal outruns the growth.
  local size = sizes[n]
  if size > 0 and (size < 8 or size % 8 == 0) then
    local expired = redis.call('ZRANGE', leases, '-inf', now, 'BYSCORE', 'LIMIT', '0', '128')
    if #expired > 0 then
      redis.call('ZREM', leases, unpack(expired))
    end
    if n == 0 then
      expired_count = #expired
    end
  end
  redis.call('ZADD', leases, now + lease_ttl, member)
  -- A set expires with its last lease, or up to a minute later: to set its TTL each time would cost
  -- twice as much as to read it.
  if size == 0 then
    redis.call('PEXPIRE', leases, lease_ttl)
  elseif redis.call('PTTL', leases) < lease_ttl + 0 then
    redis.call('PEXPIRE', leases, lease_ttl + 60000)
  end
  if full_again[n] then
    local ttl = math.ceil((full_again[n] - micros) / 1000)
    redis.call('SET', KEYS[principals + 1 + n], string.format('%.0f', full_again[n]), 'PX', ttl)
  end
end
local acquired = string.format('%d', expired_count) .. ' ' .. shadowed
