"""The restricted Pod Security Standard, and beyond it a read-only root and a numeric user that is not root."""

from objects import containers, template


def check(workload, objects):
    spec = template(workload)["spec"]
    pod = spec.get("securityContext", {})
    if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "no seccomp profile"
    for key in ("runAsUser", "runAsGroup", "fsGroup"):
        if not isinstance(pod.get(key), int) or pod[key] == 0:
            yield f"{key} is no number of its own"
    for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        if spec.get(key):
            yield key
    for volume in spec.get("volumes", []):
        if "hostPath" in volume:
            yield f"volume {volume['name']} is of the node"
    for container in containers(workload):
        context = container.get("securityContext", {})
        expected = {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        }
        if context != expected:
            yield f"{container['name']}: {context}"
