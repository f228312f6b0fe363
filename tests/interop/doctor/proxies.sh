# Faults of haproxy, Caddy and Apache, in the order of the table in docs/doctor.md: the configuration of tests/interop/routing
# with the snippet of docs/routing.md, and what edit changes. Sourced by run.

proxy=haproxy
(edit="s#acl rendezvous .*#acl rendezvous path /$API#"; fault route-msc4108 'M_UNRECOGNIZED' 'haproxy: `path` instead of `path_beg`')
(edit="s/ port $(admin_port_of "$one")//" ready='curl -s "https://matrix.example.org/$API" | grep "503 Service"'
    fault create ': 503' 'haproxy: the health check requests `/readyz` at the port of clients')
(edit='/server one/s/$/ send-proxy-v2/; /server two/d'
    fault create ': 400 without a content type' 'haproxy: `send-proxy-v2`, and `http.proxy_protocol` is off')
(edit='/^backend rendezvous/a http-response del-header ETag'; fault create 'no ETag' 'haproxy: `http-response del-header ETag`')
(one=$holding edit='s/timeout server .*/timeout server 1s/'; fault held-read ': 504' 'haproxy: `timeout server 1s`')

proxy=caddy
(edit="/^@rendezvous/d; s#^handle @rendezvous#handle_path /$API*#"
    fault create 'M_UNRECOGNIZED' 'Caddy: `handle_path` removes the prefix')
(edit="/^@rendezvous/i redir /$API https://rendezvous.example.org{uri}"; fault create ': 302 to' 'Caddy: `redir` to another host')
(edit='s/^@rendezvous path_regexp \(.*\)/@rendezvous {\npath_regexp \1\nmethod GET POST OPTIONS\n}/'
    fault write 'M_UNRECOGNIZED' 'Caddy: a matcher with `method` that lacks PUT and DELETE')
(edit='/^@rendezvous/i header Access-Control-Allow-Origin *'
    fault preflight '2 Access-Control-Allow-Origin' 'Caddy: `header Access-Control-Allow-Origin` for the whole site')

proxy=apache
(edit='/^ProxyPass .*balancer:/{H;d}; /^ProxyPass "\/"/G'
    fault create 'M_UNRECOGNIZED' "Apache: the homeserver's \`ProxyPass\` stands above")
(edit='/AddDefaultCharset Off/d'; fault read 'charset=UTF-8' 'Apache: `AddDefaultCharset UTF-8` for the whole server')
(edit='/AddDefaultCharset Off/a <LimitExcept GET POST>\nRequire all denied\n</LimitExcept>'
    fault write ': 403' 'Apache: `<LimitExcept GET POST>`')
mkdir "$work/apache-cache"
chmod 777 "$work/apache-cache" # Apache writes there as another user
cache="CacheRoot $work/apache-cache\nCacheEnable disk /\nCacheIgnoreCacheControl On\nCacheStoreNoStore On\nCacheStorePrivate On"
for module in cache_disk cache; do cache="LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so\n$cache"; done
(edit="/^AddDefaultCharset/i $cache"
    fault not-modified 'no Last-Modified' 'Apache: mod_cache with `CacheStoreNoStore On`: its 304 has no `Last-Modified`')
(edit='/AddDefaultCharset Off/a Header always set Access-Control-Allow-Origin *'
    fault preflight '2 Access-Control-Allow-Origin' 'Apache: `Header always set Access-Control-Allow-Origin`')
(edit='/SSLEngine/a ProxyErrorOverride On'; fault route-msc4108 '405, a web page' 'Apache: `ProxyErrorOverride On`')
proxy= # nginx again
