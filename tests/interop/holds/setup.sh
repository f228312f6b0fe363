# Common setup of the tests of short holds: both clients, and functions to start workers and to measure. Their scripts source it.
source "$(dirname "${BASH_SOURCE[0]}")/../workers.sh"
js_clients
rust_clients

# All requests come from one address, and would share one client's rate limits.
export RENDEZVOUS_LIMITS__ENABLED=false
PAIRS=(js-sdk/js-sdk rust-sdk/rust-sdk js-sdk/rust-sdk rust-sdk/js-sdk)
started=0 # number of workers so far
urls='' pids='' names=()
workers() { # workers COUNT off|on: starts workers with holds off or on, in place of the earlier ones, which would receive each
    # published change. Sets $urls, $names and $pids.
    local timeout=2s pid
    [ "$2" = on ] || timeout=0s
    for pid in ${pids//,/ }; do # SIGKILL, because nothing waits for a graceful end
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    urls='' pids='' names=()
    for _ in $(seq "$1"); do
        started=$((started + 1))
        RENDEZVOUS_MSC4108__LONG_POLL__TIMEOUT=$timeout worker "holds-$2-$started"
        names+=("holds-$2-$started") urls+=${urls:+,}$url pids+=${pids:+,}$pid
    done
}
scripts_of_redis() { redis-cli -u "$RENDEZVOUS_STORE__REDIS__URL" info commandstats | sed -n 's/^cmdstat_evalsha:calls=\([0-9]*\),.*/\1/p'; }
commands_of_redis() { redis-cli -u "$RENDEZVOUS_STORE__REDIS__URL" info stats | sed -n 's/^total_commands_processed:\([0-9]*\).*/\1/p'; }
measure() { "$node" tests/interop/holds/measure.mjs "$@" "${PAIRS[@]}"; } # measure [OPTION...] WORKERS
expect_holds() { # expect_holds off|on: whether the workers delivered a message to a held read
    local delivered
    delivered=$(delivered_to_holds "${names[@]}")
    echo "  messages delivered to held reads: $delivered"
    case $1:$delivered in off:0 | on:[1-9]*) return ;; esac
    echo "expected holds to be $1" >&2
    exit 1
}
expect_end() { # expect_end END...: at least one held read ended so
    local end count=0
    for end; do count=$((count + $(held_until "$end" "${names[@]}"))); done
    echo "  held reads that ended with $*: $count"
    [ $count -gt 0 ] || exit 1
}
