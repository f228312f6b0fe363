-- Ends one session.
--
-- KEYS[1]  the session's hash
-- ARGV     1 nonce of this call
-- Reply    nonce 'D' principals   it lived; whose shares its place is counted against (create.lua)
--          nonce 'G'              it did not
--
-- Twice is harmless: the second run finds nothing.
local session, nonce = KEYS[1], ARGV[1]
local principals = redis.call('HGET', session, 'p') or ''
return nonce .. (redis.call('DEL', session) == 1 and 'D' .. principals or 'G')
