-- Deletes one session and releases its lease, in one step. Not for a Cluster, where the two are in
-- different slots.
--
-- KEYS     1 the session's hash (create_session.lua), 2 the index of all leases
--          (check_lease.lua)
-- ARGV     1 nonce of this call, 2 the member, 3 what the keys of the principals begin with, 4 the
--          channel of changes ('' to publish nothing)
-- Reply    nonce 'D'   the session existed
--          nonce 'G'   the session did not exist
--
-- It also touches keys that KEYS does not declare: the leases of each principal in the session's
-- hash. They begin with ARGV[3], that is with the prefix of all keys. Redis allows that to a script
-- without a shebang unless it is a Cluster, and checks the user's key patterns at each command.
--
-- Idempotent: a second run finds no session, and the first one has released the lease. DEL is the
-- first write, and a demoted primary refuses it even if the session does not exist.
--
-- A deletion of a session that existed is published as a write is (write.lua).
local session, index, member = KEYS[1], KEYS[2], ARGV[2]
local principals = redis.call('HGET', session, 'p')
if redis.call('DEL', session) == 0 then
  return ARGV[1] .. 'G'
end
if ARGV[4] ~= '' then
  redis.pcall('PUBLISH', ARGV[4], session)
end
local failed = release(index, member)
-- A letter for the kind, and a hash of 16 characters.
for kind, hash in string.gmatch(principals or '', '(.)(................)') do
  failed = release(ARGV[3] .. kind .. ':' .. hash, member) or failed
end
return failed or ARGV[1] .. 'D'
