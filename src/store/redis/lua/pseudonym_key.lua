-- Returns the key by which principals are hashed. All replicas use the same one until it expires.
-- The first call after that stores the key that it offers.
--
-- KEYS[1]  where the key is stored
-- ARGV     1 nonce of this call, 2 the key that is offered, 3 its TTL in milliseconds
-- Reply    nonce 'S' key
--
-- Idempotent: a second run finds the key of the first. A value that is not a valid key (another
-- application's key, an operator's mistake) is replaced: with it no session could be created.
local key, offer = KEYS[1], ARGV[2]
if redis.call('SET', key, offer, 'NX', 'PX', ARGV[3]) then
  return ARGV[1] .. 'S' .. offer
end
local stored = redis.pcall('GET', key)
if type(stored) == 'table' then
  -- An error. A value of another type is replaced. If the read is denied, the value may be valid.
  if not string.find(stored.err, 'WRONGTYPE', 1, true) then
    return stored
  end
elseif #stored == #offer and not string.find(stored, '[^%w_-]') then
  -- Without a TTL, or after the clock was set back, it would never be replaced, or too late.
  local ttl = redis.call('PTTL', key)
  if ttl < 0 or ttl > ARGV[3] + 0 then
    redis.call('PEXPIRE', key, ARGV[3])
  end
  return ARGV[1] .. 'S' .. stored
end
redis.call('SET', key, offer, 'PX', ARGV[3])
return ARGV[1] .. 'S' .. offer
