-- Creates sessions with a payload of so many bytes.
function init(args)
    wrk.method = 'POST'
    wrk.path = '/_matrix/client/unstable/io.element.msc4388/rendezvous'
    wrk.headers['Content-Type'] = 'application/json'
    wrk.body = '{"data":"' .. ('x'):rep(tonumber(args[1])) .. '"}'
end
