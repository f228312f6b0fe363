# Deployments without a fault that are not nginx alone. Sourced by run.

expect_healthy() { # expect_healthy NAME PASSED SKIPPED [OPTION...]: expects that the doctor, with the variables of the deployment, finds nothing
    trap undeploy EXIT
    deploy
    doctor "${@:4}" >"$work/report" && grep -q "^failed: 0, warnings: 0, passed: $2, not checked: $3\$" "$work/report" ||
        { cat "$work/report" >&2; fail "$1: expected no finding, $2 passed and $3 skipped checks"; }
    echo "no fault: $1"
}

for proxy in haproxy caddy apache; do
    (
        one=$holding
        expect_healthy "$proxy, with the snippet of docs/routing.md" 28 12
        walk || { cat "$work/walk" >&2; fail "$proxy: the walk found something in a deployment without a fault"; }
    )
done
proxy=

# The homeserver's proxy redirects creations of MSC4108, and routes the other two prefixes. Only users create sessions of MSC4388.
echo good >"$work/token"
(
    hosts+=(rendezvous.example.org)
    delegate=$delegated upstream="server $delegated;"
    edit='s#^location ~ .*#location ~ ^/_matrix/client/(unstable/io\\.element\\.msc4388|v1)/rendezvous(/|$) {#'
    server='location = /'$API' {
        add_header Access-Control-Allow-Origin *;
        add_header Access-Control-Allow-Headers "Authorization, Content-Type, Date, If-Match, If-None-Match, X-Requested-With";
        if ($request_method = OPTIONS) { return 204; }
        return 307 https://rendezvous.example.org$request_uri;
    }'
    expect_healthy 'a delegation by 307, in mode `authenticated`' 28 12 --token-file "$work/token"
    grep -q '^pass create *201, by delegation$' "$work/report" || fail 'the creation was not delegated'
    walk || [ "$(walk_failed_at)" = session-url ] || { cat "$work/walk" >&2; fail 'the walk found a fault in a delegation'; }
)
