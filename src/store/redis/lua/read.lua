-- Reads one session.
--
-- KEYS[1]  the session's hash (create.lua)
-- ARGV     1 nonce of this call, 2 the token for which the payload is spared, where there is one
-- Reply    nonce 'F' token, payload, milliseconds left   found; three in an array, the last a number
--          nonce 'U' milliseconds left                   the token is still ARGV[2]
--          nonce 'G'                                     gone
--
-- Twice is harmless: it changes nothing. It still begins with a write, one that removes no field, so
-- that a demoted primary, or one cut off from its replicas, refuses instead of answering with an old
-- payload, which the client would take for a message from the other side.
local session, nonce = KEYS[1], ARGV[1]
redis.call('HDEL', session, '')
local state = redis.call('HMGET', session, 't', 'd')
local tokens, payload = state[1], state[2]
if not tokens then
  if redis.call('EXISTS', session) == 1 then
    return redis.error_reply('MRVFORMAT a session without a token')
  end
  return nonce .. 'G'
end
local token = string.sub(tokens, 1, 24)
local left = redis.call('PTTL', session)
if token == ARGV[2] then
  return nonce .. 'U' .. left
end
if not payload then
  return redis.error_reply('MRVFORMAT a session without a payload')
end
return {nonce .. 'F' .. token, payload, left}
