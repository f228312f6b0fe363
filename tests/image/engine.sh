# A Docker engine, and images that look like those which no registry brings to this machine. Sourced by the scripts
# that need either; it changes to the repository's root. `work` is a place for files; `at_end COMMAND` is run at the
# end, last things first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/lib/deps.sh
PATH=$PATH:/usr/sbin:/sbin
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY CARGO_TARGET_DIR
while IFS= read -r name; do unset "$name"; done < <(compgen -e RENDEZVOUS_ || true)
export PYTHONDONTWRITEBYTECODE=1

endings=()
at_end() { endings=("$1" "${endings[@]}"); }
finish() { local status=$? ending; set +e; for ending in "${endings[@]}"; do eval "$ending"; done; exit $status; }
trap finish EXIT
work=$(mktemp -d)
chmod 755 "$work" # whoever a container runs as reads what is mounted of it
at_end 'rm -r "$work"'

until_true() { # until_true WHAT COMMAND...: asks again for 60 s
    local what=$1; shift
    for _ in $(seq 300); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    echo "not within 60 s: $what" >&2
    return 1
}
fails() { # fails WHAT COMMAND...: the command must not succeed
    local what=$1; shift
    ! "$@" >"$work/unwanted" 2>&1 || { echo "$what" >&2; cat "$work/unwanted" >&2; return 1; }
}

# Debian's client builds with the BuildKit of Debian's engine; another one in PATH may want a plugin for it.
docker() { DOCKER_BUILDKIT=1 BUILDKIT_PROGRESS=plain /usr/bin/docker "$@"; }

engine() { # engine: the one that runs here, or one for as long as this script
    need dockerd docker.io
    need iptables iptables
    local theirs own=()
    theirs=$(docker info --format '{{.Name}}' 2>/dev/null || true)
    [ "$theirs" != "$(uname -n)" ] || return 0
    # One of another machine sees none of the files that are mounted here. So it is in the container of a job on GitHub,
    # where the host's socket lies in the place of ours.
    if [ -n "$theirs" ]; then
        export DOCKER_HOST=unix://$work/docker.sock
        own=(--host "$DOCKER_HOST" --pidfile "$work/docker.pid" --exec-root "$work/docker")
    fi
    nested
    dockerd "${own[@]}" >"$work/dockerd.log" 2>&1 &
    local pid=$!
    at_end "kill $pid; timeout 60 tail --pid=$pid -f /dev/null || kill -KILL $pid"
    until_true "dockerd answers" docker info || { tail -20 "$work/dockerd.log" >&2; return 1; }
}

# In a container with cgroups of version 2, its processes are in the root of what it sees, and a group that has processes
# gives no controllers to those below it: so they move, before an engine makes groups there.
nested() {
    local groups=/sys/fs/cgroup pid
    [ -e $groups/cgroup.controllers ] && [ "$(cat /proc/1/cgroup)" = 0::/ ] || return 0
    mkdir -p $groups/tests
    # Some may end meanwhile, and the kernel's own do not move.
    while read -r pid; do echo "$pid" >$groups/tests/cgroup.procs || true; done <$groups/cgroup.procs 2>/dev/null
    sed 's/[^ ]*/+&/g' $groups/cgroup.controllers >$groups/cgroup.subtree_control
}

# The look-alikes: one Debian, with what Debian has of each program, under names that say so. Made once for each
# recipe: this function, the toolchain, the certificates.
lookalikes() {
    need debootstrap debootstrap
    local recipe stands root mirror toolchain
    toolchain=$(rustc --print sysroot)
    recipe=$({ declare -f lookalikes; rustc -vV; cat /etc/ssl/certs/ca-certificates.crt; } | sha256sum | cut -c1-16)
    stands=$(docker image inspect --format '{{index .Config.Labels "recipe"}}' lookalike/rust 2>/dev/null || true)
    [ "$stands" != "$recipe" ] || ! docker image inspect lookalike/debian >/dev/null 2>&1 || return 0
    root=$work/debian
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -1)
    echo "--- look-alikes of images that cannot be pulled here, of Debian's packages"
    debootstrap --variant=minbase --include=ca-certificates,curl,gcc,haproxy,libc6-dev,prometheus,redis-server \
        bookworm "$root" "$mirror" >"$work/debootstrap.log" || { tail -20 "$work/debootstrap.log" >&2; return 1; }
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
    # Where this machine reaches crates by a configuration or a certificate of its own, so must the container.
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
build_image() { # build_image [OPTION...]: $image, of this source
    echo "--- the image, built in a look-alike of $(sed -n 's/^FROM \(.*\) AS rust$/\1/p' Dockerfile)"
    docker build --build-arg BUILD_IMAGE=lookalike/rust --build-arg VERSION="$version" --build-arg REVISION="$revision" \
        --build-arg SOURCE=$source_url -t $image "$@" . >"$work/build.log" 2>&1 || { tail -40 "$work/build.log" >&2; return 1; }
}
