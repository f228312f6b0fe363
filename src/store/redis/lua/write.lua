-- Compares and swaps, or recognises a write that happened before (docs/protocol.md, R1.19 to
-- R1.30).
--
-- KEYS[1]  the session's hash (create_session.lua)
-- ARGV     1 nonce of this call, 2 the token that the client submitted, 3 the token that the write
--          results in (both '' if the client's cannot be one of this server), 4 payload, 5 maximum
--          number of writes to a session, 6 the channel of changes ('' to publish nothing); with a
--          txnId also 7 its key (16 bytes, else '') and 8 maximum number of txnIds that a session
--          records; 9 'dates' to request timestamps
-- Reply    nonce 'W' writes ' ' ms   written; ARGV[3] is the new token; the number of writes so far,
--                               and the milliseconds since the write before, or since the creation
--          nonce 'R' token      a retry; this token is the response
--          nonce 'P' token      the recorded response to the txnId; no token if it was a conflict
--          nonce 'C' token      conflict; this token is current
--          nonce 'T' ttl        no room for another txnId; ttl is the milliseconds until the
--                               session expires
--          nonce 'F' ttl        the maximum number of writes is reached
--          nonce 'G'            the session does not exist
--          With timestamps, unless the reply is 'G', an array: that string, last write, expiry.
--          Both are milliseconds by the clock of Redis, as numbers.
--
-- Idempotent: a second run finds the token of the first one in t, or its record in q, and returns
-- what the first one returned.
--
-- Only a write that is applied is published (ADR 16): KEYS[1], on the channel ARGV[6]. If Redis denies
-- that to this user, the write succeeds all the same.
--
-- A fence is a write that changes nothing and makes a demoted primary refuse (ADR 4). A write that is
-- applied is its own fence. Every other reply comes after a write that changes
-- nothing, as in read.lua. That write has one more effect: a Redis that is out of memory refuses a
-- script at its first HSET, but not at an HSET after an HDEL. So a full Redis rejects new sessions
-- (create_session.lua), and lets live sign-ins finish, which hardly grow.
local session, nonce, submitted, next_token, payload = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local txn = ARGV[7] ~= '' and ARGV[7]
-- The length of a token, and of the current token with the 4 tokens before it.
local TOKEN, TOKENS = 24, 24 * 5
-- The length of a record: the txnId's key (16 bytes), 'w' or 'c', and a token (24 bytes; dashes for
-- a conflict).
local RECORD = 41

local state = redis.call('HMGET', session, 't', 'm')
local tokens, changed_at = state[1], state[2]
local records, record, full
if tokens and txn then
  records = redis.call('HGET', session, 'q') or ''
  -- Records are concatenated. A match across two of them needs a coincidence of 128 bits.
  local at = string.find(records, txn, 1, true)
  record = at and string.sub(records, at + 16, at + 40)
  full = #records >= ARGV[8] * RECORD
end

local is_current = tokens and not record and not full and string.sub(tokens, 1, TOKEN) == submitted
local writes_before, count
if is_current then
  -- After a full list of tokens, a byte holds the number of writes. The length of a shorter list
  -- gives it. (A field of its own would cost a fifth of a write.)
  writes_before, count = #tokens / TOKEN - 1, ''
  if #tokens >= TOKENS then
    writes_before = string.byte(tokens, TOKENS + 1) or writes_before
    count = string.char(writes_before + 1)
  end
end

local answer
if is_current and writes_before < ARGV[5] + 0 then
  local ttl = redis.call('PTTL', session)
  -- Both are TTLs. (Formatting by %d takes two thirds of the time that .. takes for a number.)
  local step = math.max(0, (changed_at or ttl) - ttl)
  answer = 'W' .. string.format('%d %d', writes_before + 1, step)
  local new_tokens = next_token .. string.sub(tokens, 1, TOKENS - TOKEN) .. count
  local m = string.format('%d', ttl)
  -- Redis may refuse the HSET. If this primary was demoted, is cut off, or cannot save, the HDEL
  -- fails with the same error. If only memory is short, the HDEL succeeds, since it needs none.
  if type(redis.pcall('HSET', session, 't', new_tokens, 'd', payload, 'm', m)) == 'table' then
    redis.call('HDEL', session, '')
    redis.call('HSET', session, 't', new_tokens, 'd', payload, 'm', m)
  end
  changed_at = m
  if records then
    redis.call('HSET', session, 'q', records .. txn .. 'w' .. next_token)
  end
  if ARGV[6] ~= '' then
    redis.pcall('PUBLISH', ARGV[6], session)
  end
else
  redis.call('HDEL', session, '')
  if not tokens then
    if redis.call('EXISTS', session) == 1 then
      return redis.error_reply('MRVFORMAT a session without a token')
    end
    return nonce .. 'G'
  elseif record then
    answer = 'P' .. (string.sub(record, 1, 1) == 'w' and string.sub(record, 2) or '')
  elseif full then
    answer = 'T' .. redis.call('PTTL', session)
  elseif is_current then
    answer = 'F' .. redis.call('PTTL', session)
  elseif records then
    redis.call('HSET', session, 'q', records .. txn .. 'c' .. string.rep('-', TOKEN))
    answer = 'C' .. string.sub(tokens, 1, TOKEN)
  elseif redis.call('HGET', session, 'd') == payload then
    answer = 'R' .. string.sub(tokens, 1, TOKEN)
  -- Tokens are concatenated. A match across two of them needs a coincidence of 144 bits.
  elseif next_token ~= '' and string.find(tokens, next_token, 1, true) then
    answer = 'R' .. next_token
  else
    answer = 'C' .. string.sub(tokens, 1, TOKEN)
  end
end
if ARGV[9] then
  local expires = redis.call('PEXPIRETIME', session)
  return {nonce .. answer, expires - changed_at, expires}
end
return nonce .. answer
