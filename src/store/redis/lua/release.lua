-- Gives a place among the live sessions back.
--
-- KEYS[1]  the index (take.lua)
-- ARGV     1 nonce of this call, 2 the member
-- Reply    nonce 'R'
--
-- Twice is harmless: the second run finds no such member.
redis.call('ZREM', KEYS[1], ARGV[2])
return ARGV[1] .. 'R'
