-- The last part of create.lua and create_with_lease.lua: returns the variable `created`, or with
-- timestamps an array: that string, last write, expiry (write.lua).
if ARGV[#ARGV] == '' then
  return created
end
local expires = redis.call('PEXPIRETIME', session)
return {created, expires - ttl, expires}
