-- Says whose shares a session's place is counted against, for whoever is about to end it: afterwards nobody
-- could say, should the reply be lost.
--
-- KEYS[1]  the session's hash
-- ARGV     1 nonce of this call
-- Reply    nonce 'P' principals   (create.lua); without any it has none, or is gone
--
-- Twice is harmless: it changes nothing. It begins with read.lua's write, so that an old primary refuses.
redis.call('HDEL', KEYS[1], '')
return ARGV[1] .. 'P' .. (redis.call('HGET', KEYS[1], 'p') or '')
