# The proxies as operators run them in front of a homeserver, with the snippets of docs/routing.md: TLS, and every setting
# that could break a sign-in (compression of all types, a charset for all text, HSTS). start_NAME runs the proxy by exec on
# $port, with its files in $work; run it as a job. $edit, if set, is a sed script for the configuration of haproxy, Caddy or
# Apache. The run scripts of routing and doctor source this file.

snippet() { # snippet NAME: prints the code block that follows its marker, with the addresses of this run
    local text
    text=$(awk -v marker="<!-- snippet: $1 -->" '$0 == marker {on = 1; next}
        on && /^```/ {if (code) exit; code = 1; next} code' docs/routing.md)
    [ -n "$text" ] || { echo "docs/routing.md has no snippet $1" >&2; exit 1; }
    echo "$text" | sed "s/rendezvous-1:8080/$one/; s/rendezvous-2:8080/$two/; s/synapse:8008/$homeserver/
        s/\(port[: ] *\|health_port \)8081/\1$admin_port/"
}

edit_configuration() { sed -i -e "${edit:-}" "$1"; }

start_nginx() {
    cat >"$work/nginx.conf" <<EOF
daemon off;
pid $work/nginx.pid;
events {}
http {
    access_log ${access_log:-off};
    $(nginx_temp_paths)
    gzip on;
    gzip_types *;
    gzip_proxied any;
    gzip_min_length 1;
    charset utf-8;
    charset_types text/plain application/json;
    add_header Strict-Transport-Security max-age=86400;
$(snippet nginx | sed '/^location/,$d')
    server {
        listen 127.0.0.1:$port ssl http2;
        server_name matrix.example.org;
        ssl_certificate $work/site.pem;
        ssl_certificate_key $work/site.pem;
$(snippet nginx | sed -n '/^location/,$p')
        location ~ ^(/_matrix|/_synapse/client) { proxy_pass http://$homeserver; }
    }
}
EOF
    exec nginx -e stderr -c "$work/nginx.conf"
}

start_haproxy() {
    cat >"$work/haproxy.cfg" <<EOF
defaults
    mode http
    timeout connect 5s
    timeout client 75s
    timeout server 75s
    compression algo gzip
    compression type text/plain application/json
frontend clients
    bind 127.0.0.1:$port ssl crt $work/site.pem alpn h2,http/1.1
    default_backend homeserver
$(snippet haproxy)
backend homeserver
    server synapse $homeserver
EOF
    edit_configuration "$work/haproxy.cfg"
    exec haproxy -db -f "$work/haproxy.cfg"
}

start_caddy() {
    cat >"$work/Caddyfile" <<EOF
{
    admin off
    auto_https off
    servers {
        protocols h1 h2
    }
}
https://matrix.example.org:$port {
    bind 127.0.0.1
    tls $work/site.pem $work/site.pem
    encode {
        gzip
        zstd
        minimum_length 1
    }
$(snippet caddy)
}
EOF
    edit_configuration "$work/Caddyfile"
    HOME=$work XDG_DATA_HOME=$work XDG_CONFIG_HOME=$work exec caddy run --config "$work/Caddyfile" --adapter caddyfile
}

start_apache() {
    local module
    {
        cat <<EOF
ServerName localhost
ServerRoot $work
DefaultRuntimeDir $work
PidFile $work/apache.pid
ErrorLog /dev/stderr
Listen 127.0.0.1:$port
EOF
        for module in mpm_event authz_core env headers filter deflate ssl slotmem_shm proxy proxy_http \
            proxy_balancer lbmethod_byrequests; do
            echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
        done
        cat <<EOF
AddDefaultCharset UTF-8
SetOutputFilter DEFLATE
<VirtualHost 127.0.0.1:$port>
    ServerName matrix.example.org
    SSLEngine on
    SSLCertificateFile $work/site.pem
$(snippet apache)
    ProxyPass "/" "http://$homeserver/" nocanon
</VirtualHost>
EOF
    } >"$work/apache.conf"
    edit_configuration "$work/apache.conf"
    # Without -DFOREGROUND it would leave this job.
    exec apache2 -DFOREGROUND -f "$work/apache.conf"
}

start_traefik() { # start_traefik [ENTRYPOINT [SNIPPET]]: with the playbook's own rule for the homeserver
    local entrypoint=${1:-websecure}
    mkdir "$work/$entrypoint"
    snippet "${2:-traefik}" >"$work/snippet.yml"
    if [ "${2:-}" = mdad ]; then
        # What the playbook does with that variable: it becomes the configuration of Traefik's file provider.
        "$venv/bin/python" -c 'import sys, yaml
print(yaml.safe_load(sys.stdin)["traefik_provider_configuration_extension_yaml"])' <"$work/snippet.yml" \
            >"$work/$entrypoint/rendezvous.yml"
    else
        cp "$work/snippet.yml" "$work/$entrypoint/rendezvous.yml"
    fi
    cat >"$work/$entrypoint/site.yml" <<EOF
http:
  routers:
    homeserver:
      rule: Host(\`matrix.example.org\`) && PathPrefix(\`/_matrix\`)
      entryPoints: [$entrypoint]
      service: homeserver
      tls: {}
  services:
    homeserver: { loadBalancer: { servers: [{ url: "http://$homeserver" }] } }
  middlewares:
    compress: { compress: { minResponseBodyBytes: 1 } }
tls:
  stores: { default: { defaultCertificate: { certFile: $work/site.pem, keyFile: $work/site.pem } } }
EOF
    cat >"$work/$entrypoint.yml" <<EOF
global: { checkNewVersion: false, sendAnonymousUsage: false }
entryPoints: { $entrypoint: { address: "127.0.0.1:$port", http: { middlewares: [compress@file] } } }
providers: { file: { directory: $work/$entrypoint } }
EOF
    exec "$venv/bin/traefik" --configFile="$work/$entrypoint.yml"
}
start_mdad() { start_traefik web-secure mdad; }
