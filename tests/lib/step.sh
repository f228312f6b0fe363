# Runs one step of a tier, and prints how long it took. Sourced by ./test and by the scripts in .ci.

step() { # step COMMAND...
    local start=$SECONDS
    echo "--- $*"
    "$@"
    echo "--- $((SECONDS - start)) s: $*"
}
