# A real Synapse with an OAuth stub, which delegates its rendezvous endpoint or serves its own. Source it after workers.sh and js_clients:
#
#   install_synapse
#   synapse "msc4108_delegation_endpoint: \"$url/$API\""   # a line of experimental_features each
#
# This sets $homeserver to its URL. Its server name is the same address, so that clients find it over plain HTTP.
# ../oauth.mjs, at $oauth, documents how a test gets a session and approves a device:
#
#   curl -d user=someone -d device=OLD "$oauth/session"                                 # {"access_token": …}
#   curl -X POST -H "Authorization: Bearer $access_token" "$verification_uri_complete"
#
# Or a Synapse without OAuth and with additional settings:
#
#   configure_synapse <<YAML
#   start_synapse
venv=target/interop/synapse

install_synapse() { python_tools "$venv" tests/interop/synapse/requirements.txt; }

synapse() { # synapse FEATURE...
    local oauth_port features
    features=$(printf '  %s\n' "$@")
    oauth_port=$(free_port)
    oauth=http://127.0.0.1:$oauth_port
    configure_synapse <<YAML
matrix_authentication_service: {enabled: true, endpoint: "$oauth/", secret: "secret"}
experimental_features:
$features
YAML
    "$node" tests/interop/synapse/oauth.mjs "$oauth_port" "$homeserver" secret >"$work/oauth.log" 2>&1 &
    oauth_pid=$!
    until_true "OAuth answers" curl -sf --max-time 1 "$oauth/.well-known/openid-configuration"
    kill -0 $oauth_pid # the answer came from our process
    start_synapse
}

configure_synapse() { # configure_synapse: the client API only, without federation. Standard input has more settings.
    local port
    port=$(free_port)
    homeserver=http://127.0.0.1:$port
    cat - <(cat <<YAML
server_name: "127.0.0.1:$port"
public_baseurl: "$homeserver/"
listeners:
  - {type: http, port: $port, bind_addresses: ["127.0.0.1"], resources: [{names: [client]}]}
database: {name: sqlite3, args: {database: "$work/homeserver-$port.db"}}
media_store_path: "$work/media-$port"
signing_key: "ed25519 a_test $(head -c 32 /dev/urandom | base64 | tr -d =)"
macaroon_secret_key: "secret"
report_stats: false
trusted_key_servers: []
federation_domain_whitelist: []
YAML
    ) >"$work/homeserver-$port.yaml"
}

start_synapse() { # start_synapse: starts the Synapse configured last. Sets $synapse_pid.
    local port=${homeserver##*:}
    "$venv/bin/python" -m synapse.app.homeserver --config-path "$work/homeserver-$port.yaml" \
        >>"$work/synapse-$port.log" 2>&1 &
    synapse_pid=$!
    until_true "Synapse answers or ends" synapse_answers_or_ends
    kill -0 $synapse_pid || { cat "$work/synapse-$port.log" >&2; return 1; }
}

synapse_answers_or_ends() { curl -sf --max-time 1 "$homeserver/health" || ! kill -0 $synapse_pid; }

doctor_at_synapse() { # doctor_at_synapse PATTERN [OPTION...]: runs the doctor, and expects that the id of the first failure (empty
    # if none) matches the shell PATTERN. The report is $work/report.
    local failed
    target/release/matrix-rendezvous doctor "${@:2}" "$homeserver" >"$work/report" || true
    failed=$(awk '/^FAIL / && !seen++ { print $2 }' "$work/report")
    grep -q '^failed: ' "$work/report" && [[ $failed == $1 ]] || { cat "$work/report" >&2; return 1; }
}
passes() { grep -qE "^pass $1 .*$2" "$work/report" || { cat "$work/report" >&2; return 1; }; } # passes ID REGEX, in that report
reports() { # reports ID WORDS: expects a failure or warning ID in that report, with WORDS in its text
    awk -v id="$1" '/^(FAIL|WARN) / { on = $2 == id } /^$/ { on = 0 } on' "$work/report" >"$work/found"
    grep -qF -- "$2" "$work/found" || { cat "$work/report" >&2; echo "expected $1 with \"$2\"" >&2; return 1; }
}
