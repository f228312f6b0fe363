# Installs the packages that a script needs, if it runs as root on Debian. Otherwise prints the command that installs them.
# Also finds a free port. Sourced by ./test and by the scripts in tests/.

need() { # need COMMAND PACKAGE...: installs the packages if the command is missing
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
    # A package must not start its service: exit status 101 of policy-rc.d forbids it.
    local policy=/usr/sbin/policy-rc.d created=false status=0
    [ -e $policy ] || { created=true; printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy; }
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >/dev/null || status=$?
    if $created; then rm $policy; fi
    return $status
}

python_tools() { # python_tools VENV REQUIREMENTS: recreates it if the pinned versions or the Python version changed
    local venv=$1 requirements=$2
    /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || need_package python3-venv
    /usr/bin/python3 --version | cat - "$requirements" | cmp -s - "$venv/installed" && return
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: -r "$requirements"
    /usr/bin/python3 --version | cat - "$requirements" >"$venv/installed"
}
node_modules() { # node_modules DIRECTORY: installs the packages of its lock file
    need npm npm
    cmp -s "$1/package-lock.json" "$1/node_modules/installed" && return
    npm ci --prefix "$1" --silent
    cp "$1/package-lock.json" "$1/node_modules/installed"
}

js_clients() { # js_clients: installs matrix-js-sdk and a separate node ($node). Two devices sign in with
    # "${sign_in[@]}" EXISTING NEW SERVER_OF_SHOWING_DEVICE SERVER_OF_SCANNING_DEVICE [PAIRS SECONDS]; see sign-in.mjs.
    # (An array instead of a function: as a background job, a function is a shell around node, and killing that shell
    # leaves node running.)
    node_modules tests/interop
    node=$(echo tests/interop/node_modules/node-linux-*/bin/node)
    sign_in=("$node" tests/interop/sign-in/sign-in.mjs)
}

free_port() { # free_port: prints a port of this machine on which no process listens
    local port
    for port in $(shuf -i 20000-29999 -n 50); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue
        echo "$port"
        return
    done
    echo "no free port" >&2
    return 1
}
