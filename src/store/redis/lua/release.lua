-- A function that removes a lease from one set. For release_lease.lua and delete_with_lease.lua,
-- which begin with this text.
--
-- release(leases, member)   Returns nil, or the error of Redis. A value of another type has no
--                           members, so that is no error.
--
-- Idempotent: a second run finds no such member.
local function release(leases, member)
  local removed = redis.pcall('ZREM', leases, member)
  if type(removed) == 'table' and not string.find(removed.err, 'WRONGTYPE', 1, true) then
    return removed
  end
  return nil
end
