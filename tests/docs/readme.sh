#!/usr/bin/env bash
# Runs the README as a new user would: its first command and both walks by curl, in memory, then on Redis with two
# workers, of which one is killed and started again. The walks must print what the README shows. It ends everything that it starts, and refuses to run if something else listens on its ports.
set -euo pipefail
cd "$(dirname "$0")/../.."

source tests/lib/deps.sh
need cc gcc libc6-dev
need curl curl
need redis-server redis-server

# The caller's environment must not choose the server: not by the variables of the README's blocks, not by
# configuration keys, and not by a proxy between curl and the loopback.
unset A B CARGO_TARGET_DIR http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY
while IFS= read -r name; do unset "$name"; done < <(compgen -e RENDEZVOUS_ || true)
# Test the current source, not an older build.
cargo build --release --locked --quiet
HOME=$(mktemp -d) # no .curlrc
export HOME

# Prints the code block that follows a marker.
block() { awk -v marker="<!-- $1 -->" '$0 == marker {on = 1; next} on && /^```(sh|text)$/ {code = 1; next} code && /^```$/ {exit} code' README.md; }

# Replaces what differs between two walks: ids and tokens.
without_tokens() { sed -E 's/"[^"{}:,]{10,}"/TOKEN/; s/(token|id) [^ ,]{10,}/\1 TOKEN/'; }

ready() { # ready ADMIN-ADDRESS: waits, at most 20 s
    for _ in $(seq 200); do
        curl -sf --max-time 1 "http://$1/readyz" >/dev/null && return
        sleep 0.1
    done
    echo "nothing became ready at $1" >&2
    return 1
}

walk() { # walk: both dialects; each prints the lines that the README shows, except for ids and tokens
    local dialect printed
    for dialect in "walk etag" walk; do
        printed=$(block "$dialect" | bash -euo pipefail)
        echo "$printed"
        [ "$(grep -c '^[1-8]\. ' <<<"$printed")" = 8 ] || { echo "\"$dialect\" did not print eight steps" >&2; return 1; }
        diff <(block "$dialect: output" | without_tokens) <(without_tokens <<<"$printed") >&2 ||
            { echo "\"$dialect\" did not print what the README shows" >&2; return 1; }
    done
}

all_run() { # all_run COUNT: fails unless all processes of this script still run, so that they have answered
    [ "$(jobs -rp | wc -l)" = "$1" ] && return
    echo "of $1 processes these are left:" >&2
    jobs -l >&2
    return 1
}

# Another process must not answer in place of what this script starts.
for port in 6390 8080 8081 8082 8083 8084 8085; do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        echo "port $port is in use; this script needs it" >&2
        exit 1
    fi
done

trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -r "$HOME"' EXIT

echo "--- README on the memory store"
block workers | grep -q redis-server
# The arguments of the first command, which the line for Docker repeats.
arguments=$(sed -n 's/^cargo run --release -- //p' README.md)
grep -qxF "docker run --rm -p 127.0.0.1:8080:8080 matrix-rendezvous $arguments" README.md
read -ra arguments <<<"$arguments"
[ "${arguments[0]}" = serve ]
target/release/matrix-rendezvous "${arguments[@]}" &
ready 127.0.0.1:8081
walk
all_run 1

echo "--- README on Redis, two workers"
eval "$(block workers)"
ready 127.0.0.1:8083
ready 127.0.0.1:8085
A=http://127.0.0.1:8082 B=http://127.0.0.1:8084 walk
all_run 4

echo "--- README: a worker is killed and started again"
eval "$(block restart)"
ready 127.0.0.1:8083
A=http://127.0.0.1:8082 B=http://127.0.0.1:8084 walk
all_run 4
eval "$(block clean-up)"
[ -z "$(compgen -e RENDEZVOUS_ || true)" ] || { echo "the clean-up leaves variables" >&2; exit 1; }
echo "the README works as written"
