"""What runs on has a probe of each kind with every number, on its own port; a test has none. Only liveness restarts, and
it does not look at the store; readiness alone asks for readiness."""

from rendered_objects import containers

NUMBERS = {"initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold"}
PATHS = {"startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
# PONG is looked for, as redis-cli exits 0 at the error that a Redis gives while it loads.
PING = ["sh", "-c", "redis-cli ping | grep -q PONG"]


def check(workload, objects):
    for container in containers(workload):
        for kind, path in PATHS.items():
            probe = container.get(kind)
            if workload["kind"] == "Pod":
                if probe:
                    yield f"has a {kind}"
                continue
            if set(probe) - {"httpGet", "exec"} != NUMBERS:
                yield f"{kind} says {sorted(probe)}"
            if workload["kind"] == "Deployment" and probe.get("httpGet") != {"path": path, "port": "admin", "scheme": "HTTP"}:
                yield f"{kind} asks {probe.get('httpGet')}"
            if workload["kind"] == "StatefulSet" and probe.get("exec") != {"command": PING}:
                yield f"{kind} runs {probe.get('exec')}"
        if workload["kind"] != "Pod":
            startup, liveness = container["startupProbe"], container["livenessProbe"]
            # Half a minute: of a node that is busy, a start takes seconds; what is killed sooner never starts.
            for name, probe in {"startup": startup, "liveness": liveness}.items():
                if probe["periodSeconds"] * probe["failureThreshold"] < 30:
                    yield f"{name} kills within half a minute"
            ready = container["readinessProbe"]
            if ready["periodSeconds"] * ready["failureThreshold"] > 10:
                yield "readiness takes more than 10 s to see that it is not"
