-- Compares and swaps, or recognises a write that happened before (docs/protocol.md, R1.19 to R1.30).
--
-- KEYS[1]  the session's hash (create.lua)
-- ARGV     1 nonce of this call, 2 the token that the client named, 3 the token that the write yields
--          (both '' where the client's cannot be ours), 4 payload, 5 how often a session is written; where
--          there is a txnId, 6 its key (16 bytes, else '') and 7 how many txnIds a session records; 8 'dates'
--          where they are wanted
-- Reply    nonce 'W' writes              written; ARGV[3] is the new token; how often it was written with that
--          nonce 'W' '1 ' milliseconds   the same for the first time; since its creation
--          nonce 'R' token               a retry: this token answers it
--          nonce 'P' token               the txnId's answer again; without a token it was a conflict
--          nonce 'C' token               conflict: this token is current
--          nonce 'T' milliseconds left   no room for another txnId
--          nonce 'F' milliseconds left   written as often as may be
--          nonce 'G'                     gone
--          With dates, of a session that lives, an array: that, last write, expiry; both in Redis's
--          milliseconds, as numbers.
--
-- Twice is harmless: the second run finds the first one's token among t, or its record in q, and
-- answers what the first one answered.
--
-- A write that fits needs no fence in front of it; in front of every other answer stands the write that
-- changes nothing, which is read.lua's. That one does one thing more: a Redis that is out of memory refuses a
-- script at its first HSET, but not at one behind an HDEL. So a full Redis refuses newcomers (create.lua) and
-- lets the sign-ins that live finish, which hardly grow.
local session, nonce, named, next_token, payload = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local txn = ARGV[6] ~= '' and ARGV[6]
-- The current token, and 4 before it.
local TOKEN, TOKENS = 24, 24 * 5
-- A record is the txnId's key (16 bytes), 'w' or 'c', and a token's 24 bytes (of a conflict: dashes).
local RECORD = 41

local tokens = redis.call('HGET', session, 't')
local records, record, full
if tokens and txn then
  records = redis.call('HGET', session, 'q') or ''
  -- Records stand one after the other; a match across two of them would need 128 bits of luck.
  local at = string.find(records, txn, 1, true)
  record = at and string.sub(records, at + 16, at + 40)
  full = #records >= ARGV[7] * RECORD
end

local fits = tokens and not record and not full and string.sub(tokens, 1, TOKEN) == named
local before, count
if fits then
  -- Behind a full list of tokens a byte says how many writes there were; a shorter one tells by its length.
  -- (A field of its own would cost a fifth of a write.)
  before, count = #tokens / TOKEN - 1, ''
  if #tokens >= TOKENS then
    before = string.byte(tokens, TOKENS + 1) or before
    count = string.char(before + 1)
  end
end

local answer
if fits and before < ARGV[5] + 0 then
  local left = redis.call('PTTL', session)
  -- %d takes two thirds of what .. takes for a number.
  answer = 'W' .. string.format('%d', before + 1)
  if before == 0 then
    -- Until then the last write is the creation.
    answer = answer .. ' ' .. math.max(0, (redis.call('HGET', session, 'm') or left) - left)
  end
  local kept = next_token .. string.sub(tokens, 1, TOKENS - TOKEN) .. count
  local m = string.format('%d', left)
  -- Refused, be it a primary that was demoted, cut off, or cannot save: then the HDEL raises the same. Or only
  -- for want of memory, which the HDEL has no need of.
  if type(redis.pcall('HSET', session, 't', kept, 'd', payload, 'm', m)) == 'table' then
    redis.call('HDEL', session, '')
    redis.call('HSET', session, 't', kept, 'd', payload, 'm', m)
  end
  if records then
    redis.call('HSET', session, 'q', records .. txn .. 'w' .. next_token)
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
  elseif fits then
    answer = 'F' .. redis.call('PTTL', session)
  elseif records then
    redis.call('HSET', session, 'q', records .. txn .. 'c' .. string.rep('-', TOKEN))
    answer = 'C' .. string.sub(tokens, 1, TOKEN)
  elseif redis.call('HGET', session, 'd') == payload then
    answer = 'R' .. string.sub(tokens, 1, TOKEN)
  -- Tokens stand one after the other; a match across two of them would need 144 bits of luck.
  elseif next_token ~= '' and string.find(tokens, next_token, 1, true) then
    answer = 'R' .. next_token
  else
    answer = 'C' .. string.sub(tokens, 1, TOKEN)
  end
end
if ARGV[8] then
  local expires = redis.call('PEXPIRETIME', session)
  return {nonce .. answer, expires - redis.call('HGET', session, 'm'), expires}
end
return nonce .. answer
