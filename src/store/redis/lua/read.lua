-- Reads one session.
--
-- KEYS[1]  the session's hash (create.lua)
-- ARGV     1 nonce of this call; where wanted, 2 the token for which the payload is spared (or ''),
--          3 'dates'
-- Reply    nonce 'F' token, payload, milliseconds left   found
--          nonce 'N' token, payload, milliseconds left   the same; not written since its creation
--          nonce 'U', milliseconds left                  the token is still ARGV[2]
--          nonce 'G'                                     gone
--          All but 'G' are arrays, with numbers for times; with dates two more stand behind, last
--          write and expiry (write.lua).
--
-- Twice is harmless: it changes nothing. It still begins with a write, one that removes no field, so
-- that a demoted primary, or one cut off from its replicas, refuses instead of answering with an old
-- payload, which the client would take for a message from the other side.
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
local left = redis.call('PTTL', session)
local reply
if token == ARGV[2] then
  reply = {nonce .. 'U', left}
elseif payload then
  reply = {nonce .. (#tokens == 24 and 'N' or 'F') .. token, payload, left}
else
  return redis.error_reply('MRVFORMAT a session without a payload')
end
if ARGV[3] then
  local expires = redis.call('PEXPIRETIME', session)
  reply[#reply + 1], reply[#reply + 2] = expires - state[3], expires
end
return reply
