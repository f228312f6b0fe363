-- Deletes one session.
--
-- KEYS[1]  the session's hash
-- ARGV     1 nonce of this call
-- Reply    nonce 'D'   the session existed
--          nonce 'G'   the session did not exist
--
-- Idempotent: a second run finds no session.
return ARGV[1] .. (redis.call('DEL', KEYS[1]) == 1 and 'D' or 'G')
