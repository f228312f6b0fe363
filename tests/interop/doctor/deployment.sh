# A homeserver example.org behind a proxy, whose parts each fault changes. Sourced by run, after routing/proxies.sh.
#
# The variables of the deployment, all optional:
#   base_url, well_known          the base URL in .well-known; the whole directive that answers it
#   versions, metadata            the JSON of the two responses
#   device, link                  the directives that answer the device endpoint and the page
#   upstream                      the workers' addresses (default: $one)
#   edit                          a sed script for the location of docs/routing.md
#   inside, server, http          more directives in that location, in the homeserver's server and in http
#   certificate                   the file with certificate and key
#   options                       more options of the doctor
#   second_address                another address of matrix.example.org: [::1] is that of the web site
#   proxy                         haproxy, caddy or apache: serves matrix.example.org instead of nginx, by start_$proxy, with
#                                 $one as both workers of the snippet of docs/routing.md. edit is then a sed script for its whole
#                                 configuration, upstream and inside have no effect, and server changes the homeserver behind it
#   delegate                      the worker that serves rendezvous.example.org (default: there is no such host)
#   ready                         a command that succeeds once the deployment is ready (default: the ports are open)

fail() { echo "$1" >&2; exit 1; }

certificates() { # An authority, an intermediate authority, and certificates of the three hosts.
    local names=DNS:example.org,DNS:matrix.example.org,DNS:auth.example.org,DNS:rendezvous.example.org
    local ec=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
    ( # A failure of any line fails the signing of what needs it.
        cd "$work"
        authority() { # authority NAME [OPTION...]
            openssl req -x509 "${ec[@]}" -days 3650 -subj "/CN=$1" -addext basicConstraints=critical,CA:true \
                -keyout "$1.key" -out "$1.pem" "${@:2}"
        }
        site() { # site NAME ISSUER DAYS
            openssl req "${ec[@]}" -subj /CN=example.org -keyout "$1.key" -out "$1.csr"
            openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -days "$3" -out "$1.crt" \
                -extfile <(echo "subjectAltName=$names")
            cat "$1.crt" "$1.key" >"$1.site"
        }
        authority ca
        authority middle -CA ca.pem -CAkey ca.key
        site good ca 30
        site ending ca 3
        site chainless middle 30
        cat chainless.crt middle.pem chainless.key >chained.site
        cp good.site site.pem # the name that routing/proxies.sh uses
        faketime '60 days ago' bash -ec "$(declare -f site); names=$names; ec=(${ec[*]}); site expired ca 30"
    ) 2>"$work/openssl.log" || { cat "$work/openssl.log" >&2; exit 1; }
}

# The command that runs a worker whose clock is ten minutes slow, by the library of faketime. The program faketime is not used,
# because it waits for its child: a signal ends faketime, and the worker stays.
slow_clock_wrapper=(env FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME=-10m "LD_PRELOAD=/usr/\$LIB/faketime/libfaketime.so.1")

worker_with() { # worker_with NAME VARIABLE=VALUE: starts a worker with another setting, or without it if VALUE is empty.
    # $NAME is then its address.
    local variable=${2%%=*} before
    before=$(printenv "$variable" || true)
    if [ -n "${2#*=}" ]; then export "${2?}"; else unset "$variable"; fi
    worker "$1"
    declare -g "$1=${url#http://}"
    if [ -n "$before" ]; then export "$variable=$before"; else unset "$variable"; fi
}

hosts=(example.org matrix.example.org auth.example.org)
port_of() { if [ "$1" = matrix.example.org ]; then echo "$port"; else echo "$site_port"; fi; } # port_of HOST

deploy() { # deploy: starts nginx, and $proxy, with the variables of the deployment. curl then reaches the hosts there.
    local host listen location
    port=$(free_port) site_port=$port
    listen="127.0.0.1:$port ssl"
    if [ -n "${proxy:-}" ]; then
        site_port=$(free_port)
        listen=127.0.0.1:$(free_port)
        homeserver=$listen two=$one
        admin_port=$(admin_port_of "$one")
    fi
    export CURL_HOME=$work
    {
        echo "cacert = $work/ca.pem"
        echo "max-time = 10"
        echo "interface = 127.0.0.2" # another client than the doctor
        for host in "${hosts[@]}"; do echo "connect-to = $host:443:127.0.0.1:$(port_of "$host")"; done
    } >"$work/.curlrc"
    # With CORS, as homeservers send these.
    local json='add_header Access-Control-Allow-Origin *; default_type application/json; return 200'
    if [ -z "${proxy:-}" ]; then
        location=$(snippet nginx | sed -n '/^location/,$p' | sed -e "${edit:-}" -e "\$i ${inside:-# unchanged}")
        location+=" location / { default_type text/html; return 404 '<html><title>No such page</title></html>'; }"
    else # The response of Synapse to an unknown path.
        location="location / { ${json%200}404 '{\"errcode\":\"M_UNRECOGNIZED\",\"error\":\"Unrecognized request\"}'; }"
    fi
    local delegate_server=''
    [ -z "${delegate:-}" ] || delegate_server="server {
        listen 127.0.0.1:$site_port ssl;
        server_name rendezvous.example.org;
        location / { proxy_pass http://$delegate; proxy_set_header X-Forwarded-For \$remote_addr; }
    }"
    local default_versions='{"versions":["v1.11"],"unstable_features":{"org.matrix.msc4108":true}}'
    local default_well_known='{"m.homeserver":{"base_url":"'${base_url:-https://matrix.example.org}'"}}'
    local default_device='default_type application/json; return 400 '\''{"error":"invalid_request"}'\'';'
    cat >"$work/nginx.conf" <<EOF
daemon off;
user root;
pid $work/nginx.pid;
events {}
http {
    access_log off;
    $(nginx_temp_paths)
    ssl_certificate ${certificate:-$work/good.site};
    ssl_certificate_key ${certificate:-$work/good.site};
    ${http:-}
    upstream rendezvous { ${upstream:-server $one;} }
    server {
        listen $listen;
        server_name matrix.example.org;
        ${server:-}
        location = /_matrix/client/versions { $json '${versions:-$default_versions}'; }
        location = /_matrix/client/v1/auth_metadata { $json '${metadata:-$(metadata device_code)}'; }
$location
    }
    server {
        listen 127.0.0.1:$site_port ssl;
        server_name auth.example.org;
        location = /oauth2/device { ${device:-$default_device} }
        location = /link { ${link:-default_type text/html; return 200 '<html><title>Sign in</title></html>';} }
    }
    server {
        listen 127.0.0.1:$site_port ssl;
        listen [::1]:$site_port ssl;
        server_name example.org;
        location = /.well-known/matrix/client {
            ${well_known:-$json '$default_well_known';}
        }
        location / { default_type text/html; return 200 '<html><title>Our company</title></html>'; }
    }
    $delegate_server
}
EOF
    nginx -e stderr -c "$work/nginx.conf" >"$work/nginx.log" 2>&1 &
    nginx=$!
    until_true "nginx listens" listening "$site_port"
    kill -0 $nginx
    if [ -n "${proxy:-}" ]; then
        "start_$proxy" >"$work/$proxy.log" 2>&1 &
        proxy_job=$!
        until_true "$proxy listens" listening "$port"
        kill -0 $proxy_job
    fi
    if [ -n "${ready:-}" ]; then until_true "the deployment is ready" eval "$ready"; fi
}
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
admin_port_of() { # admin_port_of ADDRESS: prints the admin port of the worker that serves clients at ADDRESS
    local log name address
    for log in "$work"/*.log; do
        name=$(basename "$log" .log)
        [ "$(address_of "$name" http)" = "$1" ] || continue
        address=$(address_of "$name" admin)
        echo "${address##*:}"
        return
    done
    fail "no worker serves $1"
}

undeploy() {
    kill ${proxy_job:+"$proxy_job"} "${nginx:-0}" 2>/dev/null || true
    wait ${proxy_job:+"$proxy_job"} "$nginx" 2>/dev/null || true
}

metadata() { # metadata GRANT: the metadata of the authorization server
    echo '{"issuer":"https://auth.example.org/","device_authorization_endpoint":"https://auth.example.org/oauth2/device","grant_types_supported":["authorization_code","urn:ietf:params:oauth:grant-type:'"$1"'"]}'
}

doctor() { # doctor [OPTION...]: runs the doctor on example.org, as this machine reaches it
    local host
    local resolve=()
    for host in "${hosts[@]}"; do resolve+=(--resolve "$host:443:127.0.0.1:$(port_of "$host")"); done
    [ -z "${second_address:-}" ] || resolve+=(--resolve "matrix.example.org:443:$second_address:$port")
    ( # The workers' variables would be its configuration.
        unset "${!RENDEZVOUS_@}"
        exec target/release/matrix-rendezvous doctor example.org --ca-file "$work/ca.pem" "${resolve[@]}" \
            ${options[@]+"${options[@]}"} "$@"
    )
}

# The first finding in $work/report: its id, and its paragraph, without what the other checks say. (awk reads the whole file: a
# reader of a pipe that ends early would fail the writer.)
first_id() { awk '/^(FAIL|WARN) / && !seen++ { print $2 }' "$work/report"; }
first_finding() { awk '/^(FAIL|WARN) / { on = !seen++ } /^$/ { on = 0 } on' "$work/report"; }

fault() { # fault ID WORDS DESCRIPTION [STEP]: expects that the doctor, with the variables of the deployment, finds ID first, with
    # WORDS in its text, and that the walk of docs/routing.md ends at STEP (default: ID; none: it sees nothing). Adds a row to the
    # table. Run it in a subshell with the variables.
    local found step status=0
    trap undeploy EXIT
    deploy
    doctor >"$work/report" || status=$?
    found=$(first_id)
    if [ "$found" != "$1" ] || [[ $(first_finding) != *"$2"* ]]; then
        cat "$work/report" >&2
        fail "$3: expected $1 with \"$2\" first"
    fi
    case $(grep -m1 -oE '^(FAIL|WARN)' "$work/report") in
        FAIL) [ $status = 1 ] ;;
        WARN) [ $status = 0 ] ;;
    esac || fail "$3: exit status $status"
    if walk; then step=none; else step=$(walk_failed_at); fi
    if [ "$step" != "${4:-$1}" ]; then
        cat "$work/walk" >&2
        fail "$3: expected that the walk ends at ${4:-$1}; it ended at $step"
    fi
    echo "| $3 | [\`$1\`](#$1) |" >>"$work/table"
    echo "$3: $1"
}
