-- Compares and swaps, or recognises a write that happened before (PROTOCOL, section 1).
--
-- KEYS[1]  the session's hash
-- ARGV     1 nonce of this call, 2 the token that the client named, 3 the token that the write yields
--          (both '' where the client's cannot be ours), 4 payload, 5 key of the txnId (16 bytes, ''
--          for none), 6 how many txnIds a session records, 7 bytes of past tokens that it keeps
-- Reply    {nonce, 'W', new token}           written
--          {nonce, 'R', token}               a retry: this token answers it
--          {nonce, 'P', token}               the txnId's answer again: a token, or '' for a conflict
--          {nonce, 'C', ''}                  conflict
--          {nonce, 'T', milliseconds left}   no room for another txnId
--          {nonce, 'G', ''}                  gone
--
-- Twice is harmless: the second run finds the first one's token among r, or its record in q, and
-- answers what the first one answered. The write that changes nothing, first, is read.lua's.
local session, nonce, named, next_token, payload, txn =
  KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
redis.call('HDEL', session, '')
local token = redis.call('HGET', session, 't')
if not token then
  if redis.call('EXISTS', session) == 1 then
    return redis.error_reply('MRVFORMAT a session without a token')
  end
  return {nonce, 'G', ''}
end

-- A record is the txnId's key (16 bytes), 'w' or 'c', and a token's 24 bytes (of a conflict: dashes).
local RECORD = 41
local records
if txn ~= '' then
  records = redis.call('HGET', session, 'q') or ''
  local at = string.find(records, txn, 1, true)
  while at do
    if (at - 1) % RECORD == 0 then
      local conflict = string.sub(records, at + 16, at + 16) == 'c'
      return {nonce, 'P', conflict and '' or string.sub(records, at + 17, at + 40)}
    end
    at = string.find(records, txn, at + 1, true)
  end
  if #records >= ARGV[6] * RECORD then
    return {nonce, 'T', tostring(redis.call('PTTL', session))}
  end
end

if token == named then
  local recent = (redis.call('HGET', session, 'r') or '') .. token
  local time = redis.call('TIME')
  local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', session, 't', next_token, 'd', payload, 'm', now,
    'r', string.sub(recent, -ARGV[7]))
  if records then
    redis.call('HSET', session, 'q', records .. txn .. 'w' .. next_token)
  end
  return {nonce, 'W', next_token}
end

if records then
  redis.call('HSET', session, 'q', records .. txn .. 'c' .. string.rep('-', 24))
  return {nonce, 'C', ''}
end
if redis.call('HGET', session, 'd') == payload then
  return {nonce, 'R', token}
end
-- Tokens stand one after the other; a match across two of them would need 144 bits of luck.
if next_token ~= '' and string.find(redis.call('HGET', session, 'r') or '', next_token, 1, true) then
  return {nonce, 'R', next_token}
end
return {nonce, 'C', ''}
