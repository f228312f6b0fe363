-- The fleet's secret, by which principals are hashed: made by whoever asks first, the same for everyone
-- until it ends.
--
-- KEYS[1]  the secret
-- ARGV     1 nonce of this call, 2 one that may become it, 3 how long it lives, in milliseconds
-- Reply    nonce 'S' the secret
--
-- Twice is harmless: the second run finds the first one's. What is no secret of ours (somebody else's key, a
-- hand that slipped) is replaced: with it nobody could create sessions.
local secret, offer = KEYS[1], ARGV[2]
if redis.call('SET', secret, offer, 'NX', 'PX', ARGV[3]) then
  return ARGV[1] .. 'S' .. offer
end
local known = redis.pcall('GET', secret)
if type(known) == 'table' then
  -- Of another kind; or it may not be read at all, and then it may be sound.
  if not string.find(known.err, 'WRONGTYPE', 1, true) then
    return known
  end
elseif #known == #offer and not string.find(known, '[^%w_-]') then
  return ARGV[1] .. 'S' .. known
end
redis.call('SET', secret, offer, 'PX', ARGV[3])
return ARGV[1] .. 'S' .. offer
