-- Reads one session.
--
-- KEYS[1]  the session's hash (create_session.lua)
-- ARGV     1 nonce of this call; optional: 2 the token for which the payload is left out (or ''),
--          3 'dates' to request timestamps
-- Reply    nonce 'F' token, payload, ttl   found
--          nonce 'N' token, payload, ttl   found; never written since its creation
--          nonce 'U', ttl                  unchanged: ARGV[2] is the current token
--          nonce 'V', ttl                  unchanged; never written since its creation
--          nonce 'G'                       the session does not exist
--          All but 'G' are arrays; ttl is the milliseconds until the session expires, as a number.
--          With timestamps, two more numbers follow: last write and expiry (write.lua).
--
-- Idempotent: it changes nothing. It still begins with a write, of a kind that removes no field. So
-- a primary that was demoted, or cut off from its replicas, refuses, and does not return an old
-- payload, which the client would take for a message from the other device.
local session, nonce = KEYS[1], ARGV[1]
redis.call('HDEL', session, '')
local state = ARGV[3] and redis.call('HMGET', session, 't', 'd', 'm') or redis.call('HMGET', session, 't', 'd')
local tokens, payload = state[1], state[2]
if not tokens then
  if redis.call('EXISTS', session) == 1 then
    return redis.error_reply('MRVFORMAT a session without a token')
  end
  return nonce .. 'G'
end
local token = string.sub(tokens, 1, 24)
local ttl = redis.call('PTTL', session)
local reply
if token == ARGV[2] then
  reply = {nonce .. (#tokens == 24 and 'V' or 'U'), ttl}
elseif payload then
  reply = {nonce .. (#tokens == 24 and 'N' or 'F') .. token, payload, ttl}
else
  return redis.error_reply('MRVFORMAT a session without a payload')
end
if ARGV[3] then
  local expires = redis.call('PEXPIRETIME', session)
  reply[#reply + 1], reply[#reply + 2] = expires - state[3], expires
end
return reply
