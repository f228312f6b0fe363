# The tests that need Docker: run the rendered pods as their specs say. Sourced by ./run.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=test authority" \
    -keyout "$work/ca.key" -out "$work/ca.crt" 2>/dev/null
certificate() { # certificate NAME EXTENSION: writes $work/NAME.crt and $work/NAME.key, signed by the CA
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" -keyout "$work/$1.key" -out "$work/$1.csr" 2>/dev/null
    openssl x509 -req -in "$work/$1.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 2 -out "$work/$1.crt" \
        -extfile <(echo "$2") 2>/dev/null
}
certificate client extendedKeyUsage=clientAuth
certificate server subjectAltName=DNS:rel-matrix-rendezvous # the Service in ci/sentinel-tls-values.yaml
python - "$work" $here/cluster.yaml <<'END'
import sys, yaml
files = {"AUTHORITY": "ca.crt", "CLIENT_CERTIFICATE": "client.crt", "CLIENT_KEY": "client.key",
         "SERVER_CERTIFICATE": "server.crt", "SERVER_KEY": "server.key"}
objects = list(yaml.safe_load_all(open(sys.argv[2])))
for item in objects:
    values = item.get("data") or item["stringData"]
    values.update({key: open(f"{sys.argv[1]}/{files[value]}").read() for key, value in values.items() if value in files})
yaml.safe_dump_all(objects, open(f"{sys.argv[1]}/cluster", "w"))
END
images=registry.example.org/matrix-rendezvous=$image,docker.io/curlimages/curl=lookalike/debian,docker.io/library/redis=lookalike/debian,registry.example.org/curlimages/curl=lookalike/debian
images+=,registry.example.org/redis=lookalike/debian,registry.example.org/curl=lookalike/debian
net=chart-$$
docker network create $net >/dev/null
at_end "docker network rm $net >/dev/null"
at_end "docker ps -aq --filter network=$net | xargs -r /usr/bin/docker rm -f -v >/dev/null"

docker_arguments() { # docker_arguments RENDERED KIND/NAME POD [--probes]
    mkdir -p "$work/pods/$3"
    chmod 755 "$work/pods" "$work/pods/$3"
    python $here/docker_arguments.py "$1" "$work/cluster" "$work/pods/$3" "$2" "$images" "${@:4}"
}
run_pod() { # run_pod RENDERED KIND/NAME POD [DOCKER_OPTION...] [-- ARGUMENT...]: runs a pod; ARGUMENTs replace its own
    local rendered=$1 workload=$2 name=$3 options=() words=() extra=() split; shift 3
    while [ $# -gt 0 ] && [ "$1" != -- ]; do extra+=("$1"); shift; done
    docker_arguments "$rendered" "$workload" "$name" >"$work/words" || return 1
    mapfile -d '' words <"$work/words"
    for split in "${!words[@]}"; do [ "${words[split]}" != -- ] || break; done
    options=("${words[@]:0:split}") words=("${words[@]:split+1}")
    if [ $# -gt 0 ]; then words=("${words[0]}" "${@:2}"); fi
    docker run --pull never --name "$name-$$" --hostname "$name" --network $net "${options[@]}" "${extra[@]}" "${words[@]}"
}
start_pod() { # start_pod RENDERED KIND/NAME POD [DOCKER_OPTION...]: starts a pod, and waits until each of its probes succeeds
    local probe port kind rest
    run_pod "$@" -d >/dev/null
    while IFS= read -r probe; do
        read -r kind port rest <<<"$probe"
        case $kind in
        get) until_true "$3: $probe" curl -sf --max-time 2 "http://$(docker port "$3-$$" "$port" | head -1)$rest" ;;
        # A load balancer does not verify the certificate.
        get-tls) until_true "$3: $probe" curl -skf --max-time 2 "https://$(docker port "$3-$$" "$port" | head -1)$rest" ;;
        exec) IFS=$'\x1f' read -ra rest <<<"$port $rest"
            until_true "$3: $probe" docker exec "$3-$$" "${rest[@]}" ;;
        esac || { docker logs "$3-$$" >&2; return 1; }
    done < <(docker_arguments "$1" "$2" "probes-of-$3" --probes)
}
server_of() { sed -n '/^kind: Deployment/,$ { s/^  name: "\(.*\)"/\1/p; t end }; b; :end q' "$1"; }
helm_test() { # helm_test RENDERED: runs the pod of helm test, which uses the name of the Service
    run_pod "$1" "Pod/$(server_of "$1")-test" test || { echo "helm test failed" >&2; return 1; }
    docker rm -f "test-$$" >/dev/null
}
doctor_test() { # doctor_test RENDERED: runs the pod of helm test that checks the public base URL, which must lead to a pod here
    run_pod "$1" "Pod/$(server_of "$1")-test-doctor" test-doctor || { echo "the doctor of helm test failed" >&2; return 1; }
    docker rm -f "test-doctor-$$" >/dev/null
}
service_test() { # service_test RENDERED: runs the pod of helm test in which the doctor checks the Service, past the proxy
    run_pod "$1" "Pod/$(server_of "$1")-test-service" test-service || { echo "the doctor of helm test failed at the Service" >&2; return 1; }
    docker rm -f "test-service-$$" >/dev/null
}
stop_pod() { # stop_pod POD RENDERED KIND/NAME: sends SIGTERM; the pod must exit with 0 within its terminationGracePeriodSeconds
    local seconds
    seconds=$(python -c 'import sys; sys.path.insert(0, "tests/chart"); from rendered_objects import find, load, template
print(template(find(load(sys.argv[1]), *sys.argv[2].split("/")))["spec"]["terminationGracePeriodSeconds"])' "$2" "$3")
    docker stop -t "$seconds" "$1-$$" >/dev/null
    same "exit status of $1" "$(docker inspect --format '{{.State.ExitCode}}' "$1-$$")" 0
}
check_server() { # check_server RENDERED: a server pod becomes ready, and helm test passes
    docker rm -f "one-$$" >/dev/null 2>&1 || true
    start_pod "$1" "Deployment/$(server_of "$1")" one --network-alias "$(server_of "$1")"
    helm_test "$1"
}
server=Deployment/rel-matrix-rendezvous

echo "--- config check of every rendered configuration, in its own pod"
for rendered in "${rendered[@]}" "$work"/examples/*.yaml "$work"/upgraded/*.yaml; do
    run_pod "$rendered" "Deployment/$(server_of "$rendered")" check -- config check >"$work/checked" 2>&1 ||
        { echo "$rendered:" >&2; cat "$work/checked" >&2; exit 1; }
    grep -q 'the configuration is valid' "$work/checked"
    ! grep warning "$work/checked" | grep -vE 'store.backend is memory|msc4108.enabled is false' >&2 || { echo "$rendered: config check printed warnings" >&2; exit 1; }
    docker rm -f "check-$$" >/dev/null
done

echo "--- bundled Redis and two replicas: matrix-js-sdk's two devices sign in through one replica each"
port=$(free_port)
echo "{config: {http: {public_base_url: \"http://127.0.0.1:$port\"}}, shutdown: {graceSeconds: 1}}" >"$work/here"
render 3 "$work/try" $chart/ci/bundled-redis-values.yaml "$work/here"
start_pod "$work/try" StatefulSet/rel-matrix-rendezvous-redis redis --network-alias rel-matrix-rendezvous-redis
start_pod "$work/try" $server one -p "127.0.0.1:$port:8080" --network-alias rel-matrix-rendezvous
start_pod "$work/try" $server two
second=http://$(docker port "two-$$" 8080 | head -1)
"${sign_in[@]}" js-sdk js-sdk "http://127.0.0.1:$port" "$second"
helm_test "$work/try"
service_test "$work/try"
fails "the password of Redis is in the arguments of its process" grep horse <(docker inspect --format '{{.Path}} {{.Args}}' "redis-$$")
docker exec "redis-$$" sh -c 'ls -l /data/appendonlydir' | grep -q aof || { echo "Redis wrote no AOF" >&2; exit 1; }
same "maxmemory-policy" "$(docker exec -e REDISCLI_AUTH="correct horse/battery#1" "redis-$$" redis-cli config get maxmemory-policy | tail -1 | tr -d '\r')" noeviction

echo "--- the doctor: of helm test, and the Deployment, which also looks at Redis from inside"
# The name of another pod stands in for the public host.
echo '{config: {http: {public_base_url: "http://diagnosed:8080"}}, doctor: {interval: 10s}}' >"$work/diagnosed-values"
render 3 "$work/diagnosed" $chart/ci/bundled-redis-values.yaml "$work/diagnosed-values"
start_pod "$work/diagnosed" $server diagnosed --network-alias diagnosed
doctor_test "$work/diagnosed"
start_pod "$work/diagnosed" $server-doctor doctor
doctor_check() { # doctor_check ID VALUE: the last run of the doctor had this result
    curl -sf --max-time 2 "http://$(docker port "doctor-$$" 8082 | head -1)/metrics" | grep -qE "^rendezvous_doctor_check\{.*\"$1\".*\} $2\$"
}
until_true "the doctor checks Redis from inside" doctor_check redis-write 1
until_true "the doctor checks a sign-in as a client" doctor_check delete 1
stop_pod diagnosed "$work/diagnosed" $server
until_true "the doctor finds that no server answers" doctor_check create 0 || { docker logs "doctor-$$" >&2; exit 1; }
stop_pod doctor "$work/diagnosed" $server-doctor

stop_pod one "$work/try" $server
stop_pod two "$work/try" $server
stop_pod redis "$work/try" StatefulSet/rel-matrix-rendezvous-redis

echo "--- the complete values for the Element Server Suite: two replicas, the chart's Redis, tokens checked by the suite's haproxy"
# Like the haproxy of the suite, but it answers for Synapse: the token in cluster.yaml is that of a user.
cat >"$work/haproxy.cfg" <<'END'
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 10s
frontend synapse
    bind :8008
    http-request return status 200 content-type application/json string '{"user_id":"@test:example.org"}' if { path /_matrix/client/v3/account/whoami } { req.hdr(authorization) "Bearer of-a-test-user" }
    http-request return status 401 content-type application/json string '{"errcode":"M_UNKNOWN_TOKEN","error":"unknown"}'
END
chmod 644 "$work/haproxy.cfg"
docker run -d --name "homeserver-$$" --network $net --network-alias ess-synapse --network-alias synapse.matrix.svc \
    -v "$work/haproxy.cfg:/haproxy.cfg:ro" lookalike/debian haproxy -f /haproxy.cfg >/dev/null
sign_in_by_example() { # sign_in_by_example NAME SERVER: two replicas from examples/NAME-values.yaml; devices sign in, and helm test passes
    local port second
    port=$(free_port)
    echo "{config: {http: {public_base_url: \"http://127.0.0.1:$port\"}}, shutdown: {graceSeconds: 1}, tests: {token: {secret: test-user, secretKey: access-token}}}" >"$work/here"
    render 3 "$work/here-$1" $chart/examples/$1-values.yaml "$work/here"
    start_pod "$work/here-$1" "Deployment/$2" first -p "127.0.0.1:$port:8080" --network-alias "$2"
    start_pod "$work/here-$1" "Deployment/$2" second
    second=http://$(docker port "second-$$" 8080 | head -1)
    "${sign_in[@]}" js-sdk js-sdk "http://127.0.0.1:$port" "$second"
    # With the access token it creates a session in mode authenticated, so the homeserver in the values was asked.
    helm_test "$work/here-$1"
    service_test "$work/here-$1"
    stop_pod first "$work/here-$1" "Deployment/$2"
    stop_pod second "$work/here-$1" "Deployment/$2"
    docker rm "first-$$" "second-$$" >/dev/null
}
start_pod "$work/examples/ess.yaml" StatefulSet/rendezvous-redis suite-redis --network-alias rendezvous-redis
sign_in_by_example ess rendezvous
docker rm -f "suite-redis-$$" >/dev/null

echo "--- the Redis of the suite: rejected as the suite configures it, accepted with the settings in docs/install.md"
docker run -d --name "ess-redis-$$" --network $net --network-alias ess-redis lookalike/debian \
    redis-server --save '' --protected-mode no --maxmemory 40mb --maxmemory-policy allkeys-lru >/dev/null
run_pod "$work/ess-redis" Deployment/rendezvous first -d >/dev/null
reason() { ! docker exec "first-$$" /usr/bin/matrix-rendezvous healthcheck >"$work/reason" 2>&1 && grep -qF "$1" "$work/reason"; }
until_true "the server reports that the Redis of the suite evicts" reason allkeys-lru
docker exec "ess-redis-$$" redis-cli config set maxmemory-policy noeviction >/dev/null
until_true "the server reports that the Redis of the suite is too small" reason "maxmemory is 41943040 bytes"
docker exec "ess-redis-$$" redis-cli config set maxmemory "$(sed -n 's/^redis: { maxMemory: \([0-9]*mb\),.*/\1/p' docs/install.md)" >/dev/null
until_true "the server is ready with the Redis of the suite" docker exec "first-$$" /usr/bin/matrix-rendezvous healthcheck
docker rm -f "first-$$" "ess-redis-$$" >/dev/null

echo "--- the complete values for Synapse with MAS: two replicas, an existing Redis with a password"
docker run -d --name "own-redis-$$" --network $net --network-alias redis.matrix.svc lookalike/debian \
    redis-server --save '' --requirepass of-an-operator --protected-mode no >/dev/null
sign_in_by_example synapse-mas rel-matrix-rendezvous
docker rm -f "own-redis-$$" >/dev/null

echo "--- existing Redis, with its password or its URL from an existing Secret"
docker run -d --name "existing-$$" --network $net --network-alias redis.matrix.svc lookalike/debian \
    redis-server --save '' --requirepass 'of/an#operator@?%20' --protected-mode no >/dev/null
# No homeserver runs here, so the test checks that a create request without an access token is rejected.
echo '{tests: {token: null}}' >"$work/no-token"
render 3 "$work/without-token" $chart/ci/authenticated-values.yaml "$work/no-token"
for rendered in "$work/without-token" "$work/introspection-url.yaml"; do check_server "$rendered"; done

echo "--- Redis behind Sentinels, both with TLS and client certificates, CA and certificate from Secrets, both with users and passwords"
certificate redis subjectAltName=DNS:redis-0.example.org,DNS:sentinel-0.example.org,DNS:sentinel-1.example.org,DNS:sentinel-2.example.org
chmod 644 "$work/redis.key"
tls=(--port 0 --tls-cert-file /tls/redis.crt --tls-key-file /tls/redis.key --tls-ca-cert-file /tls/ca.crt --tls-auth-clients yes)
start_redis() { # start_redis NAME HOST [OPTION...]: starts a Redis with TLS and the user of the chart's values
    docker run -d --name "$1-$$" --network $net --network-alias "$2" -v "$work:/tls:ro" lookalike/debian \
        redis-server --save '' --tls-port 6379 "${tls[@]}" "${@:3}" \
        --user rendezvous on '>of/an#operator@?%20' '~*' '&*' +@all --user default off >/dev/null
}
start_redis primary redis-0.example.org
# For wait_for_replicas in the values.
start_redis replica redis-1.example.org --tls-replication yes --replicaof redis-0.example.org 6379 \
    --masteruser rendezvous --masterauth 'of/an#operator@?%20'
# One Sentinel process under three names: the test covers the pod's connection, not a failover.
cat >"$work/sentinel.conf" <<END
tls-replication yes
user default off
user watcher on #$(printf 'p@ss word/1' | sha256sum | cut -d' ' -f1) &* +@all
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor primary redis-0.example.org 6379 1
sentinel auth-user primary rendezvous
sentinel auth-pass primary of/an#operator@?%20
END
names=(); for n in 0 1 2; do names+=(--network-alias "sentinel-$n.example.org"); done
docker run -d --name "sentinel-$$" --network $net "${names[@]}" -v "$work:/tls:ro" lookalike/debian \
    sh -c 'cp /tls/sentinel.conf /run/ && exec redis-server /run/sentinel.conf --sentinel --tls-port 26379 "$@"' sentinel "${tls[@]}" >/dev/null
check_server "$work/sentinel-tls.yaml"

echo "--- the same primary without Sentinels: by redis.host, and by redis.url"
tls='tls: {enabled: true, ca: {secret: redis-ca, secretKey: ca.crt}, certificateSecret: redis-client}'
by_host="host: redis-0.example.org, username: rendezvous, password: {secret: redis, secretKey: password}"
by_url='url: {value: "rediss://rendezvous:of%2Fan%23operator%40%3F%2520@redis-0.example.org:6379"}'
for redis in "$by_host" "$by_url"; do
    echo "{image: {repository: registry.example.org/matrix-rendezvous}, config: {mode: open}, redis: {$redis, $tls}, networkPolicy: {redis: {ports: [6379]}}}" >"$work/tls-values"
    render 3 "$work/by-tls" "$work/tls-values"
    check_server "$work/by-tls"
done

echo "--- maintenance mode, which rejects every create request"
for mode in open off; do
    echo "{image: {repository: registry.example.org/matrix-rendezvous}, config: {mode: \"$mode\", maintenance: true, msc4108: {enabled: true},
        http: {public_base_url: \"http://rel-matrix-rendezvous:8080\"}}, redis: {$by_host, $tls}}" >"$work/maintenance-values"
    render 3 "$work/under-maintenance" "$work/maintenance-values"
    check_server "$work/under-maintenance"
    # With --read-only, because a create request would be rejected.
    doctor_test "$work/under-maintenance"
done

echo "--- Redis Cluster with three nodes, two ports and a user"
nodes=()
for node in 0:6379 1:6380 2:6379; do
    docker run -d --name "node-${node%:*}-$$" --network $net --network-alias "redis-${node%:*}.redis" lookalike/debian \
        redis-server --save '' --port "${node#*:}" --cluster-enabled yes --user 'rendez+vous/%' on '>se:cret' '~*' '&*' +@all --user default off >/dev/null
    nodes+=("$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "node-${node%:*}-$$"):${node#*:}")
done
node() { docker exec -e REDISCLI_AUTH=se:cret "node-0-$$" redis-cli --user 'rendez+vous/%' "$@"; }
for address in "${nodes[@]}"; do until_true "a node answers" node -h "${address%:*}" -p "${address#*:}" ping; done
node --cluster create "${nodes[@]}" --cluster-yes >"$work/created" || { cat "$work/created" >&2; exit 1; }
cluster_is_ok() { node cluster info | grep -q cluster_state:ok; }
until_true "the state of the Cluster is ok" cluster_is_ok
check_server "$work/cluster-homeservers.yaml"
echo "chart checks passed"
