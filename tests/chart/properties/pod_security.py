"""The restricted Pod Security Standard, and beyond it a read-only root and a numeric user that is not root. Where the
values leave users to the platform, as OpenShift wants it, none is named; whatever else they add is there."""

from rendered_objects import containers, template

# Of ci/*-values.yaml: whoever else runs is 65532, which is nobody in both images.
USERS = {"StatefulSet": {999, 1999}}


def check(workload, objects):
    spec = template(workload)["spec"]
    pod = spec.get("securityContext", {})
    users = {pod.get(key) for key in ("runAsUser", "runAsGroup", "fsGroup")}
    expected = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroupChangePolicy": "OnRootMismatch"}
    if users != {None}:
        if len(users) != 1 or not users <= USERS.get(workload["kind"], {65532}):
            yield f"runs as {users}"
        expected |= dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), *users)
    else:
        expected["supplementalGroups"] = [2000]
    if pod != expected:
        yield f"its pods: {pod}"
    for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        if spec.get(key):
            yield key
    for volume in spec.get("volumes", []):
        if "hostPath" in volume:
            yield f"volume {volume['name']} is of the node"
        # A Secret is for the process and no other: root's, and fsGroup's to read. What is no secret may be read by all.
        for kind, mode in {"secret": 0o440, "configMap": 0o444}.items():
            public = volume["name"].startswith("ca-")
            if kind in volume and volume[kind]["defaultMode"] != (0o444 if public else mode):
                yield f"volume {volume['name']} has mode {volume[kind]['defaultMode']:o}"
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
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in ("data", "scratch") and mount.get("readOnly") is not True:
                yield f"may write to {mount['mountPath']}"
