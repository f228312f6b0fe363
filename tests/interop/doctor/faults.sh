# The faults, in the order of the table in docs/doctor.md. Each is a subshell with the variables of deployment.sh that differ
# from a deployment without a fault. Sourced by run.
one=$healthy

# Discovery
(base_url=https://example.org; fault versions 'a web page "Our company"' '`.well-known` names another server: the web site' well-known)
(base_url=https://matrix.invalid; fault versions 'matrix.invalid cannot be resolved' '`.well-known` names a host that does not exist' well-known)
(well_known='add_header Access-Control-Allow-Origin *; default_type text/html; return 200 "<html><title>Our company</title></html>";'
    fault well-known 'a web page "Our company"' '`.well-known` is the web site: every path is answered by one page')
(well_known='return 404;'; fault versions 'a web page "Our company"' '`.well-known` does not exist, and the server name is a web site' well-known)
(well_known='default_type application/json; return 200 '\''{"m.homeserver":{"base_url":"https://matrix.example.org"}}'\'';'
    fault well-known-cors 'no Access-Control-Allow-Origin' '`.well-known` without CORS')
(certificate=$work/expired.site; fault well-known 'expired' 'the certificate has expired')
(certificate=$work/chainless.site; fault well-known 'not signed by' 'an intermediate certificate is missing')
(versions='{"versions":["v1.11"],"unstable_features":{}}'
    fault versions 'org.matrix.msc4108 = null' 'the homeserver does not advertise MSC4108')
(metadata=$(metadata refresh_token); fault device-grant 'device_code' 'the authorization service has no device grant')
(device='return 404;'; fault device-endpoint ': 404' 'the device endpoint is not routed')
(link='return 404;'; fault link-page ': 404' 'the page `/link` is not routed (resource `human`)')

(base_url=http://matrix.example.org; fault well-known 'no https URL' '`.well-known` has an `http://` URL')

# Routing
(edit='/^location/s/ ~ .*/ = \/nothing {/'; fault create 'a web page "No such page"' 'the prefixes are not routed')
(edit='s#(/|\$)#$#'; fault route-msc4108 'a web page "No such page"' 'the rule matches the prefix only: a regular expression with `$`')
(edit='s#^location ~ .*#location ~ ^/_matrix/client/(unstable/org\\.matrix\\.msc4108|v1)/rendezvous(/|$) {#'
    fault route-msc4388 'it is not routed' 'the prefix of MSC4388 is not routed')
(edit='s#^location ~ .*#location ~ ^/_matrix/client/unstable/(org\\.matrix\\.msc4108|io\\.element\\.msc4388)/rendezvous(/|$) {#'
    fault route-v1 'it is not routed' 'the stable prefix is not routed')
(edit='s#^location ~ .*#location /_matrix/client/ {#; s#http://rendezvous;#http://rendezvous/;#'
    fault create 'M_UNRECOGNIZED' 'the proxy rewrites the path')
(upstream="server $no_dialect;"; fault create 'msc4108.enabled' 'the dialect is off')
(upstream='server 127.0.0.1:1;'; fault create ': 502' 'no worker runs')
(upstream="server $maintenance;"; fault create ': 503' '`maintenance = true`')
(upstream="server $denied;"; fault create 'limits.deny' 'the address is on a deny list')
(inside='default_type text/html; return 403 "<title>Attention required</title>";'
    fault create 'a web page "Attention required"' 'a firewall (WAF) answers with a page')
(http='limit_req_zone $binary_remote_addr zone=few:1m rate=2r/s; limit_req_status 429;' inside='limit_req zone=few burst=12 nodelay;'
    fault one-store ': 429' 'the proxy limits requests')
(inside='return 301 https://rendezvous.example.org$request_uri;'; fault create ': 301 to' 'a redirect by 301')
(inside='return 307 https://rendezvous.example.org/;'; fault create 'does not end in' 'a delegation without the path')
(inside='return 307 /_matrix/client/unstable/org.matrix.msc4108/rendezvous/;'; fault create 'on the redirect itself' 'a redirect without CORS')

# The session
(upstream="server $wrong_host;"; fault session-url 'names another host' '`http.public_base_url` has another host')
(upstream="server $with_path;"; fault session-url 'exactly once' '`http.public_base_url` has the path of the dialect')
(upstream="server $no_base_url;" edit='/X-Forwarded-Proto/d'
    fault session-url 'is not https' 'no `http.public_base_url`, and the proxy does not send `X-Forwarded-Proto`')
(upstream="server $healthy; server $other;"; fault one-store 'do not share one store' 'two workers with a store in memory each')
(edit='/charset off/d' server='charset utf-8; charset_types text/plain;'; fault read 'charset=utf-8' 'the proxy adds a charset')
(edit='/gzip off/d' inside='proxy_hide_header Content-Encoding; gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;'
    fault read 'the ETag is W/' 'the proxy compresses although the response has an encoding, and makes the ETag weak')
(inside='proxy_hide_header ETag;'; fault create 'no ETag' 'the proxy removes the ETag')
(inside='proxy_hide_header Expires;'; fault not-modified 'no Expires' 'the proxy removes `Expires`')
(inside='proxy_set_header If-None-Match "";'; fault not-modified 'instead of 304, with the ETag that was sent' 'the proxy removes `If-None-Match`')
(inside='proxy_set_header If-Match "";'; fault write 'If-None-Match and If-Match of requests' 'the proxy removes `If-Match`')
(inside='limit_except GET POST { deny all; }'; fault write ': 403' 'the proxy forbids PUT')
(http="proxy_cache_path $work/cache keys_zone=cache:1m;"
    inside='proxy_cache cache; proxy_cache_valid 10m; proxy_ignore_headers Cache-Control Expires Set-Cookie;'
    fault one-store 'a cache answers' 'a cache that ignores `no-store`' read-after-write)
(inside='if ($request_method = PUT) { add_header Access-Control-Allow-Origin * always; add_header Access-Control-Expose-Headers ETag always; add_header ETag '\''"lost"'\'' always; return 202; }'
    fault read-after-write 'the payload before the write' 'the proxy answers PUT itself')
(upstream="server $holding;" inside='proxy_read_timeout 1s;'; fault held-read ': 504' 'the proxy waits one second for a response')
(server='error_page 412 /412.html; location = /412.html { add_header Access-Control-Allow-Origin * always; add_header Access-Control-Expose-Headers ETag always; return 200 "no"; }'
    inside='proxy_intercept_errors on;'; fault conflict 'expected 412' 'the proxy replaces 412 by a page' none)
(inside='client_max_body_size 3k;'; fault payload-size ': 413' 'the proxy rejects bodies of 4 KiB')
(inside='proxy_set_header Sec-Fetch-Mode "";'; fault page-load ': 200' 'the proxy removes `Sec-Fetch-Mode`')
(inside='add_header Access-Control-Allow-Origin * always;'; fault preflight '2 Access-Control-Allow-Origin' 'the proxy adds CORS headers')
(inside='proxy_hide_header Access-Control-Max-Age;'; fault preflight 'Access-Control-Max-Age' 'the proxy removes `Access-Control-Max-Age`' none)
(inside='if ($request_method = OPTIONS) { return 204; }'; fault preflight 'no Access-Control-Allow-Origin' 'the proxy answers preflights')
(inside='proxy_hide_header Access-Control-Expose-Headers;'; fault cors 'lacks ETag' 'the proxy removes `Access-Control-Expose-Headers`')
(server='error_page 404 /404.html;' inside='proxy_intercept_errors on;'; fault delete 'expected a Matrix error in JSON' 'the proxy replaces error responses')
(upstream="server $slow_clock;"; fault clock "differs from this machine's clock" 'a clock is ten minutes slow' none) # the operator compares the lines
(second_address='[::1]'; fault addresses 'a web page "Our company"' 'the AAAA record names another server' none)
(certificate=$work/ending.site; fault certificate 'valid for 2 days' 'the certificate ends in two days' none)
(upstream="server $authenticated;" inside='proxy_set_header Authorization "";'
    fault authorization 'does not arrive' 'the proxy removes `Authorization`, in mode `authenticated`' none)
(server='error_page 409 =200 /409.html; location = /409.html { add_header Access-Control-Allow-Origin * always; return 200 "no"; }'
    inside='proxy_intercept_errors on;'; fault json-exchange 'expected 409' 'the proxy replaces 409 by a page with status 200' none)
(options=(--long) http='limit_req_zone $binary_remote_addr zone=few:1m rate=6r/m; limit_req_status 429;'
    inside='limit_req zone=few burst=85 nodelay;'
    fault steady-polls 'poll' 'the proxy limits requests to fewer than one a second (with `--long`)' none)
