# Faults that the doctor finds from inside, by a configuration or by replicas beside SERVER. The workers behind example.org have
# none. Sourced by run.

inside_fault() { # inside_fault ID WORDS DESCRIPTION OPTION...: expects that the doctor with OPTIONs finds ID first, with WORDS in its
    # text. Adds a row to the table.
    local status=0
    doctor "${@:4}" >"$work/report" || status=$?
    if [ "$(first_id)" != "$1" ] || [[ $(first_finding) != *"$2"* ]] || [ $status -gt 1 ]; then
        cat "$work/report" >&2
        fail "$3: expected $1 with \"$2\" first, and found exit status $status"
    fi
    echo "| $3 | [\`$1\`](#$1) |" >>"$work/table"
    echo "$3: $1"
}

(
    trap 'undeploy; kill $(jobs -p) 2>/dev/null; wait' EXIT
    one=$healthy
    deploy
    redis
    settings=(--set mode=open --set msc4108.enabled=true --set http.public_base_url=https://matrix.example.org)
    with_redis=("${settings[@]}" --set store.backend=redis --set "store.redis.url=$RENDEZVOUS_STORE__REDIS__URL")
    set_in_redis() { redis-cli -u "$RENDEZVOUS_STORE__REDIS__URL" config set "$@" >/dev/null; }
    inside_fault redis-connection refused 'Redis does not run (with `--config`)' \
        "${settings[@]}" --set store.backend=redis --set store.redis.url=redis://127.0.0.1:1/0 --timeout 3s
    inside_fault configuration 'msc4108.enabled is false' 'the configuration does not serve released clients (with `--config`)' \
        "${settings[@]}" --set msc4108.enabled=false
    # 20 MB, beside which the buffers of a connection are small.
    redis-cli -u "$RENDEZVOUS_STORE__REDIS__URL" setrange ballast 20000000 x >/dev/null
    used=$(redis-cli -u "$RENDEZVOUS_STORE__REDIS__URL" info memory | sed -n 's/^used_memory:\([0-9]*\).*/\1/p')
    set_in_redis maxmemory $((used * 12 / 10))
    inside_fault redis-memory 'used of' 'Redis is nearly full (with `--config`)' "${with_redis[@]}" --set session.max_live=10
    set_in_redis maxmemory 1
    inside_fault redis-write OOM 'Redis is full (with `--config`)' "${with_redis[@]}"
    set_in_redis maxmemory 200mb maxmemory-policy allkeys-lru
    inside_fault redis-fit allkeys-lru 'Redis evicts keys (with `--config`)' "${with_redis[@]}"
    inside_fault token-verifier 'Connection refused' 'the homeserver that checks access tokens cannot be reached (with `--config`)' \
        "${settings[@]}" --set mode=authenticated --set auth.homeserver_url=http://127.0.0.1:1
    admin_of() { echo "http://127.0.0.1:$(admin_port_of "$1")"; }
    inside_fault replicas-alike 'the stores differ' 'two replicas with a store each (with `--replica`)' \
        --replica "$(admin_of "$healthy")" --replica "$(admin_of "$other")"
    inside_fault replicas-ready refused 'a replica does not run (with `--replica`)' --replica http://127.0.0.1:1
    curl -s -o /dev/null "http://$untrusting/" -H 'X-Forwarded-For: 198.51.100.9'
    inside_fault trusted-proxies 'not trusted' '`http.trusted_proxies` does not have the proxy (with `--replica`)' \
        --replica "$(admin_of "$untrusting")"
)
