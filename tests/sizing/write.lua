-- Writes one session again and again, each time over the ETag of the last reply; then another, before it is full.
local path, etag, size, count = nil, nil, nil, 0
local creations = '/_matrix/client/unstable/org.matrix.msc4108/rendezvous'

function init(args)
    path, etag, size = args[1], args[2], tonumber(args[3])
end

function request()
    count = count + 1
    local body = ('%08d'):format(count) .. ('x'):rep(size - 8)
    local headers = { ['Content-Type'] = 'text/plain', ['If-Match'] = etag }
    if count % 200 == 0 then
        return wrk.format('POST', creations, { ['Content-Type'] = 'text/plain' }, body)
    end
    return wrk.format('PUT', path, headers, body)
end

function response(status, headers, body)
    etag = headers['ETag'] or headers['etag'] or etag
    path = body:match('"url":"http://[^/]*([^"]*)"') or path
end
