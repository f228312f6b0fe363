-- Reads the principals of a session that a deletion releases. The caller needs them before it
-- deletes the session: if the reply to the delete is lost, nothing else has them.
--
-- KEYS[1]  the session's hash
-- ARGV     1 nonce of this call
-- Reply    nonce 'P' principals   (create_session.lua); empty if the session has none or does not exist
--
-- Idempotent: it changes nothing. It begins with the write of read.lua, so that a demoted primary
-- refuses.
redis.call('HDEL', KEYS[1], '')
return ARGV[1] .. 'P' .. (redis.call('HGET', KEYS[1], 'p') or '')
