# Real proxies that compress everything they can, round-robin over two workers. Each function runs one by exec, so that it
# stops with its job: on port $1, for the workers at the addresses $2 and $3, with its files in $work. The run scripts of
# proxies and deploy source this file.

start_nginx() { # start_nginx PORT WORKER WORKER BROTLI CHARSET [LINE-OF-THE-LOCATION]
    cat >"$work/nginx.conf" <<EOF
load_module /usr/lib/nginx/modules/ngx_http_brotli_filter_module.so;
daemon off;
pid $work/nginx.pid;
events {}
http {
    access_log off;
    $(nginx_temp_paths)
    gzip on;
    gzip_types text/plain application/json;
    gzip_proxied any;
    gzip_min_length 1;
    brotli $4;
    brotli_types text/plain application/json;
    brotli_min_length 1;
    charset $5;
    charset_types text/plain;
    upstream workers { server $2; server $3; keepalive 8; }
    server {
        listen 127.0.0.1:$1;
        location / {
            proxy_pass http://workers;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host \$http_host;
            ${6:-}
        }
    }
}
EOF
    exec nginx -e stderr -c "$work/nginx.conf"
}
start_nginx_gzip() { start_nginx "$@" off off; }
start_nginx_brotli() { start_nginx "$@" on off; }
# As configured for a web site: turns text/plain into text/plain; charset=utf-8.
start_nginx_charset() { start_nginx "$@" off utf-8; }
# The same, with the setting of docs/routing.md for our paths.
start_nginx_charset_off() { start_nginx "$@" off utf-8 "charset off;"; }

start_no_type_no_etag() { exec "$node" tests/interop/proxies/no-type-no-etag.mjs "$@"; }

# haproxy with these lines in its backend. It logs the outcome of each request.
haproxy_with() { # haproxy_with PORT LINES
    cat >"$work/haproxy-$1.cfg" <<EOF
defaults
    mode http
    log stdout format raw local0
    log-format "status %ST %ts"
    timeout connect 5s
    timeout client 75s
    timeout server 75s
frontend clients
    bind 127.0.0.1:$1
    default_backend workers
backend workers
    balance roundrobin
$2
EOF
    exec haproxy -db -f "$work/haproxy-$1.cfg"
}

start_haproxy() {
    haproxy_with "$1" "
    compression algo gzip
    compression type text/plain application/json
    server one $2
    server two $3"
}

# Over HTTP/2 without TLS. It shares its connections to the workers among clients.
start_haproxy_h2c() {
    haproxy_with "$1" "
    http-reuse always
    server one $2 proto h2
    server two $3 proto h2"
}

# haproxy as it should be configured for workers that are replaced: it checks the readiness of each, and stops routing to an
# unready one. $4 and $5 are the workers' admin ports. It never retries, so that a worker that stops too early fails
# requests.
start_haproxy_checked() {
    haproxy_with "$1" "
    retries 0
    option httpchk GET /readyz
    default-server check inter 500ms fall 1 rise 1
    server one $2 port $4
    server two $3 port $5"
}

start_caddy() { caddy_to "$1" "$2 $3"; }
# The same over HTTP/2 without TLS.
start_caddy_h2c() { caddy_to "$1" "h2c://$2 h2c://$3"; }

caddy_to() { # caddy_to PORT WORKERS
    cat >"$work/Caddyfile" <<EOF
{
    admin off
    auto_https off
}
http://:$1 {
    bind 127.0.0.1
    encode {
        gzip
        zstd
        minimum_length 1
    }
    reverse_proxy $2 {
        lb_policy round_robin
    }
}
EOF
    HOME=$work XDG_DATA_HOME=$work XDG_CONFIG_HOME=$work exec caddy run --config "$work/Caddyfile" --adapter caddyfile
}

start_apache() {
    local modules=/usr/lib/apache2/modules
    cat >"$work/apache.conf" <<EOF
ServerName localhost
ServerRoot $work
DefaultRuntimeDir $work
PidFile $work/apache.pid
ErrorLog /dev/stderr
Listen 127.0.0.1:$1
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule filter_module $modules/mod_filter.so
LoadModule deflate_module $modules/mod_deflate.so
LoadModule proxy_module $modules/mod_proxy.so
LoadModule proxy_http_module $modules/mod_proxy_http.so
LoadModule proxy_balancer_module $modules/mod_proxy_balancer.so
LoadModule slotmem_shm_module $modules/mod_slotmem_shm.so
LoadModule lbmethod_byrequests_module $modules/mod_lbmethod_byrequests.so
ProxyPreserveHost On
<Proxy "balancer://workers">
    BalancerMember "http://$2"
    BalancerMember "http://$3"
</Proxy>
ProxyPass "/" "balancer://workers/"
SetOutputFilter DEFLATE
EOF
    # Without -DFOREGROUND it would detach from this job.
    exec apache2 -DFOREGROUND -f "$work/apache.conf"
}
