#!/usr/bin/env bash
# Replaces the replicas of docker-compose.yml one by one, while the others serve. Run it after a new image, or after a change
# of deploy/compose/rendezvous.toml, which compose does not detect, because it compares only the name of the file.
#
#   docker compose build && deploy/compose/rolling-update.sh
#
# If a replica does not become healthy, the script stops with exit status 1 and leaves the remaining replicas unchanged.
# COMPOSE is the command to use. Default: "docker compose".
set -euo pipefail
cd "$(dirname "$0")/../.."
read -ra compose <<<"${COMPOSE:-docker compose}"
replicas=(rendezvous-1 rendezvous-2 rendezvous-3)
# Seconds. The health check runs every 10 s and reports a replica as unhealthy at the third failure, after 40 s. Plus half
# of that as a margin.
health_timeout=60

health() { docker inspect --format '{{.State.Health.Status}}' "$("${compose[@]}" ps -q "$1")"; }

# Reports a configuration with which a new replica would exit at once, before any replica is stopped.
"${compose[@]}" run --rm --no-deps -T "${replicas[0]}" config check </dev/null ||
    { echo "no replica was replaced: new replicas would not start" >&2; exit 1; }
for replica in "${replicas[@]}"; do
    "${compose[@]}" up -d --no-deps --force-recreate "$replica"
    deadline=$((SECONDS + health_timeout))
    while status=$(health "$replica") && [ "$status" = starting ] && [ $SECONDS -lt $deadline ]; do sleep 1; done
    if [ "$status" != healthy ]; then
        "${compose[@]}" logs --tail 20 "$replica" >&2
        echo "$replica was replaced and is not healthy ($status): stopped, the remaining replicas are unchanged" >&2
        exit 1
    fi
    echo "$replica was replaced and is healthy"
done
