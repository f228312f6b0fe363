# Runs "The doctor by hand" of docs/routing.md: its commands, and the output that stands below each ("#> "; … stands for any
# text without a slash). The run scripts of routing and doctor source this file, after proxies.sh.

walk() { # walk: runs the steps up to the first that prints something else, and returns 1 if there is one. $work/walk then
    # ends with the number and the id of that step, what was expected, and what was printed.
    (walk_steps) >"$work/walk" 2>&1 </dev/null
}

walk_failed_at() { sed -n 's/^--- step [0-9]* //p' "$work/walk" | tail -1; } # walk_failed_at: prints the id of the last step

walk_steps() {
    set +euo pipefail # as in the shell of an operator
    local line command="" expected="" number id=definitions
    compare() {
        [ -n "$expected" ] || return 0
        local pattern found
        eval "$command" >"$work/printed"
        found=$(cat "$work/printed")
        pattern=$(sed 's/[][\.*^$+?(){}|]/\\&/g; s/…/[^\/]*/g' <<<"$expected")
        if [[ ! $found =~ ^$pattern$ ]]; then
            printf 'the command:\n%sexpected:\n%s\nfound:\n%s\n' "$command" "$expected" "$found"
            exit 1
        fi
        command="" expected=""
    }
    while IFS= read -r line <&3; do
        case $line in
            "#> "*) expected+=${expected:+$'\n'}${line#"#> "} ;;
            "# "*)
                compare
                read -r number id <<<"${line#"# "}"
                echo "--- step ${number%.} ${id%%[: ]*}"
                ;;
            *) compare; command+=$line$'\n' ;;
        esac
    done 3< <(snippet commands)
    compare
}

check_walk_ids() { # check_walk_ids: the steps are numbered, and are checks of the doctor in their order
    local steps ids
    steps=$(snippet commands | sed -nE 's/^# ([0-9]+\. [a-z0-9-]+).*/\1/p')
    ids=$(sed 's/^[0-9]*\. //' <<<"$steps")
    diff <(sed -n '/^## Checks/,$s/^### //p' docs/doctor.md | grep -xF "$ids" | awk '{ print NR - 1 ". " $0 }') <(echo "$steps") || {
        echo "the steps of docs/routing.md (>) are not checks of docs/doctor.md in their order (<)" >&2
        return 1
    }
}
