"""The server, Redis and the doctor with --watch have a probe of each kind with every number set; pods that end have none. The
server's probes use the admin port. Only its readiness probe requests /readyz. Those of the doctor request /healthz."""

from rendered_objects import is_doctor, own_containers

NUMBERS = {"initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold"}
PATHS = {"startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
# grep, because redis-cli exits with 0 if Redis returns an error while it loads.
REDIS_COMMAND = ["sh", "-c", "redis-cli ping | grep -q PONG"]


def seconds_to_failure(probe):
    return probe["periodSeconds"] * probe["failureThreshold"]


def check(workload, objects):
    for container in own_containers(workload):
        if workload["kind"] in ("Pod", "CronJob"):
            yield from (f"has a {kind}" for kind in PATHS if container.get(kind))
            continue
        for kind, path in PATHS.items():
            probe = container.get(kind)
            if set(probe) - {"httpGet", "exec"} != NUMBERS:
                yield f"{kind} sets {sorted(probe)}"
            expected = {"path": "/healthz", "port": "metrics"} if is_doctor(workload) else {"path": path, "port": "admin"}
            if workload["kind"] == "Deployment" and probe.get("httpGet") != expected | {"scheme": "HTTP"}:
                yield f"{kind} requests {probe.get('httpGet')}"
            if workload["kind"] == "StatefulSet" and probe.get("exec") != {"command": REDIS_COMMAND}:
                yield f"{kind} runs {probe.get('exec')}"
        # On a busy node a start takes seconds. A container that is killed earlier would never start.
        for kind in ("startupProbe", "livenessProbe"):
            if seconds_to_failure(container[kind]) < 30:
                yield f"{kind} restarts the container after less than 30 s"
        if seconds_to_failure(container["readinessProbe"]) > 10:
            yield "readinessProbe needs more than 10 s to detect that the container is not ready"
