-- The fleet's secret, by which principals are hashed: made by whoever asks first, the same for everyone
-- until it ends.
--
-- KEYS[1]  the secret
-- ARGV     1 nonce of this call, 2 one that may become it, 3 how long it lives, in milliseconds
-- Reply    nonce 'S' the secret
--
-- Twice is harmless: the second run finds the first one's.
if redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[3]) then
  return ARGV[1] .. 'S' .. ARGV[2]
end
return ARGV[1] .. 'S' .. redis.call('GET', KEYS[1])
