# Containers of Linux distributions with systemd as PID 1, and a sign-in in them. Sourced after tests/image/engine.sh.

# Prints the archive of Ubuntu: beside the Debian mirror of this machine if it has one, and otherwise the official one.
ubuntu_mirror() {
    local beside=${1%/}
    beside=${beside%/debian}/ubuntu
    if curl -sf --max-time 10 -o /dev/null "$beside/dists/resolute/InRelease"; then echo "$beside"; else echo http://archive.ubuntu.com/ubuntu; fi
}

# distribution_image NAME: builds the image lookalike/NAME from the packages of the distribution, if it does not exist.
distribution_image() {
    docker image inspect "lookalike/$1" >/dev/null 2>&1 && return
    need debootstrap debootstrap
    local mirror root=$work/$1 arguments=(--variant=minbase --include=ca-certificates,curl,dbus,systemd,systemd-sysv)
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -1)
    case $1 in
        debian-12) arguments+=(bookworm "$root" "$mirror") ;;
        debian-13) arguments+=(trixie "$root" "$mirror") ;;
        # Debian has no package with Ubuntu's keys. This image is only for tests.
        ubuntu-26.04) arguments+=(--no-check-gpg resolute "$root" "$(ubuntu_mirror "$mirror")" gutsy) ;;
        *) failed "unknown distribution: $1" ;;
    esac
    echo "--- build a stand-in image of $1 from its packages"
    debootstrap "${arguments[@]}" >"$work/debootstrap.log" || { tail -20 "$work/debootstrap.log" >&2; return 1; }
    rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    tar -C "$root" -c . | docker import - "lookalike/$1" >/dev/null
    rm -r "$root"
}

# start_systemd CONTAINER NAME [OPTION...]: starts a container of the distribution, with more options of `docker run`, and waits until
# systemd has started.
# SYS_PTRACE is for PrivateUsers= with ProtectProc=invisible.
start_systemd() {
    distribution_image "$2"
    # systemd needs a writable tree of control groups, version 2: since 258 it runs on no other.
    local groups=/sys/fs/cgroup
    [ -e $groups/cgroup.controllers ] || groups=/sys/fs/cgroup/unified
    docker run -d --name "$1" --hostname "${2%%.*}" --cap-add SYS_ADMIN --cap-add SYS_PTRACE --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
        --cgroupns private --volume "$groups:/sys/fs/cgroup:rw" --tmpfs /run --tmpfs /run/lock "${@:3}" "lookalike/$2" /sbin/init >/dev/null
    # "degraded": the journal of newer versions does not run in this container. No other unit may fail.
    until_true "systemd runs in $1" systemd_has_started "$1"
    local failed_units
    failed_units=$(docker exec "$1" systemctl --failed --no-legend --plain | grep -v '^systemd-journal' || true)
    [ -z "$failed_units" ] || failed "units of $2 that fail: $failed_units"
}
systemd_has_started() { # its exit status is that of "degraded", too
    case $(docker exec "$1" systemctl is-system-running || true) in running | degraded) ;; *) return 1 ;; esac
}

ok() { echo "ok  $*"; }

# check_libraries PROGRAM: the program needs glibc and nothing else, in the version that docs/install.md says.
check_libraries() {
    local libraries needed
    libraries=$(readelf --dynamic "$1" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -vE '^(lib(c|m|gcc_s)|ld-linux-.*)\.so\.' || true)
    [ -z "$libraries" ] || failed "the program needs libraries beside glibc: $libraries"
    needed=$(readelf --version-info "$1" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
    grep -qF "It needs glibc ${needed#GLIBC_} or later" docs/install.md || failed "docs/install.md does not say that the program needs $needed"
    ok "the program needs $needed"
}

# copy_files CONTAINER FILE...: copies files and directories of this machine, which must have the same release, and the libraries of
# the programs among them that the container lacks.
copy_files() {
    local host=$1; shift
    { printf '%s\n' "$@"; find "$@" \( -name '*.so' -o -path '/usr/bin/*' \) -exec ldd {} + 2>/dev/null | grep -o '/[^ :]*' || true; } |
        sed 's|^/||' | sort -u | tar -C / -ch -T - | docker exec -i "$host" tar -C / -x --keep-directory-symlink --skip-old-files
}

# walk_sign_in CONTAINER [URL]: runs the README's commands of a sign-in on the service in the container.
walk_sign_in() {
    awk '$0 == "<!-- walk etag -->" {on = 1; next} on && /^```sh$/ {code = 1; next} code && /^```$/ {exit} code' README.md >"$work/walk"
    grep -q DELETE "$work/walk" || failed "README.md has no commands of a sign-in"
    docker exec -i "$1" env A="${2:-http://127.0.0.1:8082}" bash -euo pipefail <"$work/walk" >"$work/walked" || failed "$1: the README's sign-in" "$work/walked"
    ! grep UNEXPECTED "$work/walked" || failed "$1: the README's sign-in"
}
