-- Reads one session.
--
-- KEYS[1]  the session's hash (create_session.lua)
-- ARGV     1 nonce of this call; optional: 2 the token for which the payload is left out (or ''),
--          3 'dates' to request timestamps (or ''), 4 'peer' to track the other device: then a read
--          without a token is that device, and one with a token is a poll
-- Reply    nonce 'F' token, payload, ttl   found
--          nonce 'N' token, payload, ttl   found; never written since its creation
--          nonce 'U', ttl                  unchanged: ARGV[2] is the current token
--          nonce 'V', ttl                  unchanged; never written since its creation
--          nonce 'O', ttl                  one-sided: as 'V', and this is the first poll in the last
--                                          3 s of a session that the other device never read
--          nonce 'G'                       the session does not exist
--          All but 'G' are arrays; ttl is the milliseconds until the session expires, as a number.
--          With timestamps, two more numbers follow: last write and expiry (write.lua).
--
-- Idempotent but for 'O', which only a metric counts: if that reply is lost, a second run returns 'V'.
-- It sets the field r (create_session.lua) at most once, and then the read succeeds even if Redis
-- refuses that.
--
-- It begins with a write, of a kind that removes no field. So a primary that was demoted, or cut off
-- from its replicas, refuses, and does not return an old payload, which the client would take for a
-- message from the other device.
local session, nonce = KEYS[1], ARGV[1]
redis.call('HDEL', session, '')
local dated = ARGV[3] == 'dates'
local state = dated and redis.call('HMGET', session, 't', 'd', 'm') or redis.call('HMGET', session, 't', 'd')
local tokens, payload = state[1], state[2]
if not tokens then
  if redis.call('EXISTS', session) == 1 then
    return redis.error_reply('MRVFORMAT a session without a token')
  end
  return nonce .. 'G'
end

local token = string.sub(tokens, 1, 24)
local is_known, never_written = token == ARGV[2], #tokens == 24
local ttl = redis.call('PTTL', session)
local is_settled
if never_written and ARGV[4] and (is_known and ttl < 3000 or ARGV[2] == '') then
  is_settled = not redis.call('HGET', session, 'r') and type(redis.pcall('HSET', session, 'r', '1')) == 'number'
end
local reply
if is_known then
  local status = is_settled and 'O' or never_written and 'V' or 'U'
  reply = {nonce .. status, ttl}
elseif payload then
  reply = {nonce .. (never_written and 'N' or 'F') .. token, payload, ttl}
else
  return redis.error_reply('MRVFORMAT a session without a payload')
end
if dated then
  local expires = redis.call('PEXPIRETIME', session)
  reply[#reply + 1], reply[#reply + 2] = expires - state[3], expires
end
return reply
