#!/usr/bin/env bash
# Replaces the replicas of docker-compose.yml one after the other, while the others serve: after a new image, or a
# changed deploy/compose/rendezvous.toml, which compose does not see, as it knows the file's name alone.
#
#   docker compose build && deploy/compose/rolling-update.sh
#
# Where one does not become healthy it stops there, with 1, and the replicas after it go on as they were.
# COMPOSE is the command to use, "docker compose" where it is not set.
set -euo pipefail
cd "$(dirname "$0")/../.."
read -ra compose <<<"${COMPOSE:-docker compose}"
replicas=(rendezvous-1 rendezvous-2 rendezvous-3)
# The health check looks every 10 s and calls a replica unhealthy at the third failure: 40 s. Then half as much more.
patience=60

health() { docker inspect --format '{{.State.Health.Status}}' "$("${compose[@]}" ps -q "$1")"; }

# What a new replica would end with at once is told before any is stopped.
"${compose[@]}" run --rm --no-deps -T "${replicas[0]}" config check </dev/null ||
    { echo "no replica was replaced: the new ones would not start" >&2; exit 1; }
for replica in "${replicas[@]}"; do
    "${compose[@]}" up -d --no-deps --force-recreate "$replica"
    deadline=$((SECONDS + patience))
    while status=$(health "$replica") && [ "$status" = starting ] && [ $SECONDS -lt $deadline ]; do sleep 1; done
    if [ "$status" != healthy ]; then
        "${compose[@]}" logs --tail 20 "$replica" >&2
        echo "$replica was replaced and is not healthy ($status): stopped here, and those after it are as they were" >&2
        exit 1
    fi
    echo "$replica is replaced, and healthy"
done
