-- Reads one session.
--
-- KEYS[1]  the session's hash
-- ARGV     1 nonce of this call, 2 the token for which the payload is spared ('' for none)
-- Reply    {nonce, 'F', token, payload, milliseconds left}   found
--          {nonce, 'U', '', '', milliseconds left}           the token is still ARGV[2]
--          {nonce, 'G', '', '', ''}                          gone
--
-- Twice is harmless: it changes nothing. It still begins with a write, one that removes no field, so
-- that a demoted primary, or one cut off from its replicas, refuses instead of answering with an old
-- payload, which the client would take for a message from the other side.
local session = KEYS[1]
redis.call('HDEL', session, '')
local token = redis.call('HGET', session, 't')
if not token then
  if redis.call('EXISTS', session) == 1 then
    return redis.error_reply('MRVFORMAT a session without a token')
  end
  return {ARGV[1], 'G', '', '', ''}
end
local left = tostring(redis.call('PTTL', session))
if token == ARGV[2] then
  return {ARGV[1], 'U', '', '', left}
end
local payload = redis.call('HGET', session, 'd')
if not payload then
  return redis.error_reply('MRVFORMAT a session without a payload')
end
return {ARGV[1], 'F', token, payload, left}
