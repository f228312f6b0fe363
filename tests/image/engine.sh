# Starts a Docker engine, and builds stand-ins for images that cannot be pulled without a registry. Sourced by the scripts
# that need either. It changes to the root of the repository. `work` is a temporary directory. `at_end COMMAND` runs the
# command when the script exits, in reverse order of registration.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/lib/deps.sh
PATH=$PATH:/usr/sbin:/sbin
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY CARGO_TARGET_DIR
while IFS= read -r name; do unset "$name"; done < <(compgen -e RENDEZVOUS_ || true)
export PYTHONDONTWRITEBYTECODE=1

cleanups=()
at_end() { cleanups=("$1" "${cleanups[@]}"); }
reason= # why the script fails. It is printed last, because whoever shows a log may show only its end.
failed() { # failed REASON [FILE]: prints FILE, and fails
    reason=$1
    [ -z "${2:-}" ] || cat "$2" >&2
    echo "failed: $reason" >&2
    return 1
}
run_cleanups() {
    local status=$? cleanup
    set +e
    for cleanup in "${cleanups[@]}"; do eval "$cleanup"; done
    [ $status = 0 ] || [ -z "$reason" ] || echo "failed: $reason" >&2
    exit $status
}
trap run_cleanups EXIT
work=$(mktemp -d)
chmod 755 "$work" # containers with any user must be able to read mounted files
at_end 'rm -r "$work"'

until_true() { # until_true WHAT COMMAND...: repeats the command until it succeeds, for at most 60 s
    local what=$1; shift
    for _ in $(seq 300); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    failed "timed out after 60 s: $what"
}
fails() { # fails ERROR COMMAND...: the command must fail; otherwise prints ERROR. Its output is in $work/failed
    local error=$1; shift
    ! "$@" >"$work/failed" 2>&1 || failed "$error" "$work/failed"
}

# Debian's client uses the BuildKit in Debian's engine. Another client in PATH may need a plugin for it.
docker() { DOCKER_BUILDKIT=1 BUILDKIT_PROGRESS=plain /usr/bin/docker "$@"; }

engine() { # engine: uses the Docker engine of this machine, or starts one until the script exits
    need dockerd docker.io
    need iptables iptables
    local engine_host options=()
    engine_host=$(docker info --format '{{.Name}}' 2>/dev/null || true)
    [ "$engine_host" != "$(uname -n)" ] || return 0
    # An engine on another machine cannot mount files of this one. That is the case in the container of a GitHub job, in
    # which the socket of the host's engine is mounted.
    if [ -n "$engine_host" ]; then
        export DOCKER_HOST=unix://$work/docker.sock
        options=(--host "$DOCKER_HOST" --pidfile "$work/docker.pid" --exec-root "$work/docker")
    fi
    enable_cgroup_controllers
    dockerd "${options[@]}" >"$work/dockerd.log" 2>&1 &
    local pid=$!
    at_end "kill $pid; timeout 60 tail --pid=$pid -f /dev/null || kill -KILL $pid"
    until_true "dockerd answers" docker info || { tail -20 "$work/dockerd.log" >&2; return 1; }
}

# In a container with cgroups v2, the processes are in the root group that the container sees. A group that has processes
# cannot enable controllers for its child groups, so the processes move to a child before the engine creates groups.
enable_cgroup_controllers() {
    local groups=/sys/fs/cgroup pid
    [ -e $groups/cgroup.controllers ] && [ "$(cat /proc/1/cgroup)" = 0::/ ] || return 0
    mkdir -p $groups/tests
    # Some processes may exit in the meantime, and kernel threads cannot move.
    while read -r pid; do echo "$pid" >$groups/tests/cgroup.procs || true; done <$groups/cgroup.procs 2>/dev/null
    sed 's/[^ ]*/+&/g' $groups/cgroup.controllers >$groups/cgroup.subtree_control
}

# Builds the stand-in images: one Debian image with Debian's packages of each program, and one with Rust, both named
# lookalike/…. They are rebuilt if the recipe changes: this function, the toolchain or the certificates.
lookalikes() {
    need debootstrap debootstrap
    local recipe existing root mirror toolchain
    toolchain=$(rustc --print sysroot)
    recipe=$({ declare -f lookalikes; rustc -vV; cat /etc/ssl/certs/ca-certificates.crt; } | sha256sum | cut -c1-16)
    existing=$(docker image inspect --format '{{index .Config.Labels "recipe"}}' lookalike/rust 2>/dev/null || true)
    [ "$existing" != "$recipe" ] || ! docker image inspect lookalike/debian >/dev/null 2>&1 || return 0
    root=$work/debian
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -1)
    echo "--- build stand-in images from Debian packages, because no registry can be reached"
    debootstrap --variant=minbase --include=ca-certificates,curl,gcc,haproxy,libc6-dev,prometheus,redis-server \
        bookworm "$root" "$mirror" >"$work/debootstrap.log" || { tail -20 "$work/debootstrap.log" >&2; return 1; }
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
    # If this machine needs its own cargo configuration or certificates to download crates, so does the container.
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
    tar -C "$root" -c . | docker import - lookalike/debian >/dev/null
    local cargo_home=${CARGO_HOME:-$HOME/.cargo} context=$work/rust
    mkdir -p "$context/cargo" "$context/rust"
    cp "$cargo_home"/config.toml "$context/cargo/" 2>/dev/null || true
    tar -C "$toolchain" --exclude=lib/rustlib/src -c bin lib | tar -C "$context/rust" -x
    docker build -q -t lookalike/rust -f - "$context" >/dev/null <<END
FROM lookalike/debian
LABEL recipe="$recipe"
COPY rust /usr/local
COPY cargo /usr/local/cargo
ENV CARGO_HOME=/usr/local/cargo
END
    rm -r "$root" "$context"
}

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
revision=$(git rev-parse HEAD)
source_url=https://git.example.org/matrix-rendezvous
image=matrix-rendezvous:under-test
build_image() { # build_image [OPTION...]: builds $image from this source
    echo "--- build the image with a stand-in for $(sed -n 's/^FROM \(.*\) AS rust$/\1/p' Dockerfile)"
    docker build --build-arg BUILD_IMAGE=lookalike/rust --build-arg VERSION="$version" --build-arg REVISION="$revision" \
        --build-arg SOURCE=$source_url -t $image "$@" . >"$work/build.log" 2>&1 || { tail -40 "$work/build.log" >&2; return 1; }
}
