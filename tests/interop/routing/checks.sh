# The checks for every proxy. Clients use https://matrix.example.org, which curl's configuration connects to the proxy. The
# script run sources this file.

HS=https://matrix.example.org
JSON=/_matrix/client/unstable/io.element.msc4388/rendezvous
STABLE=/_matrix/client/v1/rendezvous
ID=0123456789abcdefghijk

fail() { echo "FAILED: $*" >&2; exit 1; }
equal() { # equal WHAT EXPECTED FOUND
    [ "$2" = "$3" ] || fail "$1: expected $2, found $3"
}
status() { curl -s -o "$work/body" -w '%{http_code}' "$@"; }

own_requests() { # own_requests: prints the requests that must reach a worker, one method and path per line
    local prefix path method
    for prefix in "$JSON" "/$API" "$STABLE"; do
        for path in "" "/$ID" "/$ID/txn1"; do
            for method in GET POST PUT DELETE OPTIONS; do echo "$method $prefix$path"; done
        done
        # Must arrive undecoded. Decoded, the first would have two segments and get 405, and the second would have three.
        echo "GET $prefix/a%2Fb"
        echo "PUT $prefix/$ID/a%2Fb"
        echo "GET $prefix/0123%7E-._"
        echo "GET $prefix/?x"
    done
}
homeserver_requests() { # homeserver_requests: prints the requests that must reach the homeserver
    local path
    for path in versions login v3/login v1/login v1/rendezvousx v1/rendezvous-2/x v3/rendezvous rendezvous \
        unstable/io.element.msc4388/rendezvousfoo unstable/io.element.msc4388/rendezvousfoo/x \
        unstable/io.element.msc4388 unstable/io-element.msc4388/rendezvous unstable/rendezvous \
        unstable/org.matrix.msc4108/rendezvousfoo unstable/org-matrix.msc4108/rendezvous; do
        echo "GET /_matrix/client/$path"
        echo "PUT /_matrix/client/$path"
    done
}

send() { # send BASE: sends the requests from standard input by one curl, and removes the parts of the responses that
    # differ from call to call
    local method path
    while read -r method path; do
        cat <<EOF
url = "$1$path"
request = $method
silent
show-error
max-time = 10
cacert = $work/site.pem
connect-to = matrix.example.org:443:127.0.0.1:${port:-0}
header = "Content-Type: text/plain"
header = "If-Match: \"x\""
write-out = "\n$method $path %{http_code} %header{content-type} %header{cache-control} %header{allow} %header{access-control-allow-origin} %header{access-control-allow-headers} %header{access-control-expose-headers} %header{x-content-type-options}\n\n"
EOF
        case $method in POST | PUT) echo 'data = "{\"data\":\"x\",\"sequence_token\":\"t\"}"' ;; esac
        echo next
    done | sed '$d' >"$work/requests"
    curl -K "$work/requests" |
        sed -E 's/("(id|sequence_token|url)":")[^"]*/\1…/g; s/("expires_in_ms":)[0-9]*/\1…/'
}

check_routes() {
    own_requests | send "$HS" >"$work/through"
    diff "$work/direct" "$work/through" || fail "a response was changed on its way (< direct, > through the proxy)"
    homeserver_requests | send "$HS" >"$work/through"
    equal "requests at the homeserver" "$(homeserver_requests | wc -l)" \
        "$(grep -c '"homeserver":"\|"unstable_features"' "$work/through" || true)"
}

check_headers() { # check_headers [NAME]: no header is duplicated, and the header that the proxy adds everywhere is present
    local head
    head=$(curl -s -D - -o /dev/null "$HS$JSON" | tr -d '\r')
    equal "Access-Control-Allow-Origin" 1 "$(grep -ci '^access-control-allow-origin:' <<<"$head")"
    [ $# = 0 ] || grep -qi "^$1" <<<"$head" || fail "no $1"
}

check_limits() { # A client over its creation rate is rejected, even if it spoofs an address. Other clients are not.
    local spoof='X-Forwarded-For: 203.0.113.9'
    curl -s -o /dev/null -w '%{http_code}\n' --interface "127.0.2.$number" -H "$spoof" "$HS$JSON?[1-80]" >"$work/spent"
    grep -q 429 "$work/spent" || fail "the first client was never rejected"
    equal "the second client's first request" 200 "$(status --interface "127.0.3.$number" -H "$spoof" "$HS$JSON")"
}

check_body() { # A body over the limit gets our own 413.
    head -c 40000 /dev/zero | tr '\0' A >"$work/large"
    equal "a large body" 413 "$(status --data-binary "@$work/large" "$HS$JSON")"
    grep -q M_TOO_LARGE "$work/body" || fail "a 413 that is not from a worker: $(cat "$work/body")"
}

# The requests of a sign-in, by a client that accepts any encoding. The URL of its session is built from Host and
# X-Forwarded-Proto, because these workers have no http.public_base_url.
check_sign_in() {
    local url etag old payload any=(-H 'Accept-Encoding: gzip, br, zstd' -H 'Content-Type: text/plain')
    payload=$(printf 'A%.0s' $(seq 800))
    etag() { tr -d '\r' <"$work/head" | sed -n 's/^[Ee][Tt][Aa][Gg]: //p'; }
    url=$(curl -sSf "${any[@]}" -D "$work/head" --compressed -d "$payload" "$HS/$API" | sed 's/.*"url":"\([^"]*\)".*/\1/')
    [[ $url == "$HS/$API/"* ]] || fail "the URL of a session is $url"
    etag=$(etag)
    equal "a first poll" 304 "$(status "${any[@]}" -D "$work/head" -H "If-None-Match: $etag" "$url")"
    etag=$(etag)
    equal "a read" "200 text/plain" "$(curl -s "${any[@]}" -o "$work/body" -D "$work/head" -w '%{http_code} %{content_type}' "$url")"
    equal "a payload" "$payload" "$(cat "$work/body")"
    etag=$(etag) old=$etag
    equal "a write" 202 "$(status "${any[@]}" -D "$work/head" -X PUT -H "If-Match: $etag" -d two "$url")"
    etag=$(etag)
    [ -n "$etag" ] && [ "$etag" != "$old" ] || fail "the ETag of a write is $etag"
    equal "a poll after it" 304 "$(status "${any[@]}" -H "If-None-Match: $etag" "$url")"
    equal "a stale write" 412 "$(status "${any[@]}" -X PUT -H "If-Match: $old" -d three "$url")"
    equal "a deletion" 204 "$(status -X DELETE "$url")"
    equal "a read after it" 404 "$(status "$url")"
}

# A worker stops as in a deploy. No request fails, while it still answers and after it has stopped.
check_shutdown() {
    local answered=0
    kill "$two_pid"
    while kill -0 "$two_pid" 2>/dev/null; do
        equal "a read while a worker shuts down" 404 "$(status "$HS$JSON/$ID")"
        answered=$((answered + 1))
    done
    wait "$two_pid" || fail "a worker that shut down cut a request"
    [ "$answered" -gt 5 ] || fail "only $answered requests while a worker shut down"
    for _ in 1 2; do check_sign_in; done
    worker two "$worker_port" "$admin_port" 127.0.0.12
    two_pid=$pid
}

# The commands of "The doctor by hand".
check_commands() {
    walk || fail "docs/routing.md does not print what it says: $(cat "$work/walk")"
}
