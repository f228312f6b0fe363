# Common setup of the interop tests: builds this source, starts workers and Redis on free ports, provides a directory for
# files ($work), and stops everything at the end. Each run script sources it. It changes to the repository's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/lib/deps.sh
PATH=$PATH:/usr/sbin
need cc gcc libc6-dev
need curl curl
need npm npm
need redis-server redis-server

# No proxy and no setting of the caller's environment may affect clients or workers.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY CARGO_TARGET_DIR
while IFS= read -r name; do unset "$name"; done < <(compgen -e RENDEZVOUS_ || true)
cargo build --release --locked --quiet

API=_matrix/client/unstable/org.matrix.msc4108/rendezvous
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -r "$work"' EXIT

until_true() { # until_true WHAT COMMAND...: repeats COMMAND until it succeeds, for 20 s or $patience tenths of a second
    local what=$1; shift
    for _ in $(seq "${patience:-200}"); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    cat "$work"/*.log >&2
    echo "not within $((${patience:-200} / 10)) s: $what" >&2
    exit 1
}

address_of() { # address_of NAME LISTENER: prints the address of a worker's listener
    sed 's/\x1b\[[0-9;]*m//g' "$work/$1.log" | sed -n "s/.*listener=\"$2\" address=//p" | head -1
}

mode=open # the mode of the workers that are started
msc4108=true # whether they serve the ETag dialect
wrapper=() # a command that runs them
worker() { # worker NAME [PORT ADMIN-PORT [ADDRESS]]: starts a worker, on free ports if none are given, and waits until
    # it is ready. Sets $url and $pid.
    local address=${4:-127.0.0.1}
    RENDEZVOUS_MSC4108__ENABLED=$msc4108 "${wrapper[@]}" target/release/matrix-rendezvous serve --mode "$mode" \
        --listen "$address:${2:-0}" --admin-listen "$address:${3:-0}" >"$work/$1.log" 2>&1 &
    pid=$!
    until_true "$1 listens" listens "$1"
    until_true "$1 is ready" curl -sf --max-time 1 "http://$(address_of "$1" admin)/readyz"
    url=http://$(address_of "$1" http)
}
listens() { [ -n "$(address_of "$1" admin)" ]; }

held_until() { # held_until END WORKER...: prints how many held reads of the workers ended so, as in the metric's label
    local name
    for name in "${@:2}"; do
        curl -sSf --max-time 5 "http://$(address_of "$name" admin)/metrics" |
            sed -n "s/^rendezvous_hold_duration_seconds_count{end=\"$1\"} //p"
    done | awk '{ sum += $1 } END { print sum + 0 }'
}

delivered_to_holds() { held_until written "$@"; } # delivered_to_holds WORKER...: messages delivered to held reads

expect_held() { # expect_held BEFORE WORKER...: fails unless more than BEFORE messages were delivered to held reads
    local delivered
    delivered=$(($(delivered_to_holds "${@:2}") - $1))
    echo "messages delivered to held reads: $delivered"
    [ $delivered -gt 0 ] || { echo "no read was held" >&2; exit 1; }
}

redis() { # redis: starts a Redis; workers that are started afterwards store their sessions there. Sets $redis_pid.
    local port
    port=$(free_port)
    redis-server --port "$port" --bind 127.0.0.1 --save '' --dir "$work" >"$work/redis.log" &
    redis_pid=$!
    until_true "Redis answers" redis-cli -p "$port" ping
    kill -0 $redis_pid # the answer came from our process
    export RENDEZVOUS_STORE__BACKEND=redis RENDEZVOUS_STORE__REDIS__URL=redis://127.0.0.1:$port/0
}

nginx_temp_paths() { # nginx_temp_paths: prints the directives for the http block that keep nginx' temporary files in $work
    local kind
    for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $work/nginx-$kind;"; done
}

rust_clients() { # rust_clients: builds the devices that use matrix-sdk and ruma, in $rust
    rust=target/interop/debug
    cargo build --locked --quiet --manifest-path tests/interop/rust/Cargo.toml --target-dir target/interop
    export DEVICE=$rust/device
}
