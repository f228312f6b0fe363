# Installs what a script needs, where it may (as root, from Debian's packages), and says exactly what to
# install where it may not. Sourced by ./test and by each script in tests/ that is run.

need() { # need COMMAND PACKAGE...
    local command=$1; shift
    command -v "$command" >/dev/null || need_package "$@"
}
need_package() { # need_package PACKAGE...
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "$0 needs $*. Install it first:  sudo apt-get install $*" >&2
        exit 1
    fi
    echo "--- installing $*"
    apt-get update -qq
    # A package that brings a service must not start it: 101 says that policy forbids it.
    local policy=/usr/sbin/policy-rc.d ours=false status=0
    [ -e $policy ] || { ours=true; printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy; }
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null || status=$?
    if $ours; then rm $policy; fi
    return $status
}

python_tools() { # python_tools VENV REQUIREMENTS: made anew where others are pinned, or another Python is there
    local venv=$1 pinned=$2
    /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || need_package python3-venv
    /usr/bin/python3 --version | cat - "$pinned" | cmp -s - "$venv/installed" && return
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: -r "$pinned"
    /usr/bin/python3 --version | cat - "$pinned" >"$venv/installed"
}
node_modules() { # node_modules DIRECTORY: those of its lock file, in it
    need npm npm
    cmp -s "$1/package-lock.json" "$1/node_modules/installed" && return
    npm ci --prefix "$1" --silent
    cp "$1/package-lock.json" "$1/node_modules/installed"
}

js_clients() { # js_clients: installs matrix-js-sdk, and a node of its own: $node. Two devices sign in by
    # "${sign_in[@]}" EXISTING NEW SERVER_OF_WHO_SHOWS SERVER_OF_WHO_SCANS [PAIRS SECONDS]; sign-in.mjs says more.
    # (No function: as a job that would be a shell around it, and outlive its end.)
    node_modules tests/interop
    node=$(echo tests/interop/node_modules/node-linux-*/bin/node)
    sign_in=("$node" tests/interop/sign-in/sign-in.mjs)
}
