-- Deletes one session.
--
-- KEYS[1]  the session's hash
-- ARGV     1 nonce of this call, 2 the channel of changes ('' to publish nothing)
-- Reply    nonce 'D'   the session existed
--          nonce 'G'   the session did not exist
--
-- Idempotent: a second run finds no session.
--
-- A deletion of a session that existed is published as a write is (write.lua).
local existed = redis.call('DEL', KEYS[1]) == 1
if existed and ARGV[2] ~= '' then
  redis.pcall('PUBLISH', ARGV[2], KEYS[1])
end
return ARGV[1] .. (existed and 'D' or 'G')
