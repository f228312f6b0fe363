-- Ends one session.
--
-- KEYS[1]  the session's hash
-- ARGV     1 nonce of this call
-- Reply    nonce 'D'   it lived
--          nonce 'G'   it did not
--
-- Twice is harmless: the second run finds nothing.
return ARGV[1] .. (redis.call('DEL', KEYS[1]) == 1 and 'D' or 'G')
