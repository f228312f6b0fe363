#!/usr/bin/env bash
# Walks the README as a new user would: its own code blocks, on the embedded store, then on Redis with
# two workers. Everything it starts, it ends; and nothing else can answer in its place.
set -euo pipefail
cd "$(dirname "$0")/../.."

source tests/lib/deps.sh
need cc gcc libc6-dev
need curl curl
need redis-server redis-server

# The caller's environment must not choose the server: neither by what the README's blocks take from it,
# nor by keys of the configuration, nor by a proxy between curl and the loopback.
unset A B CARGO_TARGET_DIR http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY
while IFS= read -r name; do unset "$name"; done < <(compgen -e RENDEZVOUS_ || true)
# What is walked is this source, not what was built some time ago.
cargo build --release --locked --quiet
HOME=$(mktemp -d) # no .curlrc
export HOME

# The code block that follows a marker.
block() { awk -v marker="<!-- $1 -->" '$0 == marker {on = 1; next} on && /^```sh$/ {code = 1; next} code && /^```$/ {exit} code' README.md; }

ready() { # ready ADMIN-ADDRESS: waits, at most 20 s
    for _ in $(seq 200); do
        curl -sf --max-time 1 "http://$1/readyz" >/dev/null && return
        sleep 0.1
    done
    echo "nothing became ready at $1" >&2
    return 1
}

all_run() { # all_run COUNT: whatever this script started still runs, so it was that which answered
    [ "$(jobs -rp | wc -l)" = "$1" ] && return
    echo "of $1 processes these are left:" >&2
    jobs -l >&2
    return 1
}

# Nothing that stands here already may answer in place of what this script starts.
for port in 6390 8080 8081 8082 8083 8084 8085; do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        echo "port $port is taken; the README's walk needs it" >&2
        exit 1
    fi
done

trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -r "$HOME"' EXIT

echo "--- README on the embedded store"
block walk | grep -q DELETE
block workers | grep -q redis-server
target/release/matrix-rendezvous serve --mode open &
ready 127.0.0.1:8081
block walk | bash -euo pipefail
all_run 1

echo "--- README on Redis, two workers"
eval "$(block workers)"
ready 127.0.0.1:8083
ready 127.0.0.1:8085
block walk | A=http://127.0.0.1:8082 B=http://127.0.0.1:8084 bash -euo pipefail
all_run 4
echo "the README works as written"
