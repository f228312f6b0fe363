-- Polls one session, with the ETag that its client holds, where there is one.
function init(args)
    wrk.path = args[1]
    wrk.headers['If-None-Match'] = args[2]
end
