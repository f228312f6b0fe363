-- Sign-ins of MSC4388 one after the other, as long as wrk lets it: a creation, then so many writes, before each of them
-- so many polls. Each is another client's, by X-Forwarded-For, and with "users" another user's. It needs as many threads
-- as connections: a thread's requests then come one after the other, and a reply is known to be that of the last one.
--
--   sign-ins.lua PAYLOAD-BYTES WRITES POLLS-PER-WRITE users|nobody txns|plain
local api = '/_matrix/client/unstable/io.element.msc4388/rendezvous'
local size, writes, polls, has_users, has_txns
local session, token, written, polled, count = nil, nil, 0, 0, 0

local threads = 0
function setup(thread)
    threads = threads + 1
    thread:set('thread_number', threads)
end

function init(args)
    size, writes, polls = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
    has_users, has_txns = args[4] == 'users', args[5] == 'txns'
end

local function headers()
    local address = ('10.%d.%d.%d'):format(thread_number, math.floor(count / 256) % 256, count % 256)
    local all = { ['Content-Type'] = 'application/json', ['X-Forwarded-For'] = address }
    if has_users then all['Authorization'] = ('Bearer %d-%d'):format(thread_number, count) end
    return all
end

function request()
    if session and written == writes then session = nil end
    if not session then
        count, written, polled = count + 1, 0, 0
        return wrk.format('POST', api, headers(), '{"data":"' .. ('x'):rep(size) .. '"}')
    end
    if polled < polls then
        polled = polled + 1
        return wrk.format('GET', api .. '/' .. session, headers())
    end
    written, polled = written + 1, 0
    local path = api .. '/' .. session .. (has_txns and '/txn' .. written or '')
    local data = ('%08d'):format(written) .. ('x'):rep(size - 8)
    return wrk.format('PUT', path, headers(), '{"sequence_token":"' .. token .. '","data":"' .. data .. '"}')
end

function response(status, _, body)
    session = session or body:match('"id":"([^"]+)"')
    token = body:match('"sequence_token":"([^"]+)"') or token
end
