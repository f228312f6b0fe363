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
