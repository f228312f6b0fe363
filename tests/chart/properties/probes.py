"""What runs on has a probe of each kind with every number, and only its own port is asked; a test has none."""

from objects import containers

NUMBERS = {"initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold"}


def check(workload, objects):
    if workload["kind"] == "Pod":
        return
    for container in containers(workload):
        ports = {port["name"] for port in container["ports"]}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container.get(kind, {})
            if missing := NUMBERS - probe.keys():
                yield f"{kind} does not say {sorted(missing)}"
            if "httpGet" in probe and probe["httpGet"]["port"] not in ports:
                yield f"{kind} asks a port that is not the container's"
            if "httpGet" not in probe and "exec" not in probe:
                yield f"{kind} asks nothing"
        live, ready = container.get("livenessProbe", {}), container.get("readinessProbe", {})
        if live.get("httpGet", {}).get("path") == "/readyz":
            yield "liveness asks for readiness: an outage of Redis would restart everything"
        if ready.get("httpGet", {"path": "/readyz"})["path"] != "/readyz":
            yield "readiness asks something else than /readyz"
