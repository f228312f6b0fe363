"""Pods meet the restricted Pod Security Standard, and have a read-only root file system and a numeric user that is not root. If
the values leave the user ids to the platform, as on OpenShift, none is set. Other fields of the values are kept."""

from rendered_objects import containers, template

ID_KEYS = ("runAsUser", "runAsGroup", "fsGroup")
# The ids in ci/*-values.yaml. All other pods use 65532, the user nonroot in the image of the server.
ALLOWED_IDS = {"StatefulSet": {999, 1999}}
CONTAINER_CONTEXT = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
}
# Set in ci/introspection-url-values.yaml, together with these groups.
SUPPLEMENTAL_GROUPS = [2000]
SELINUX_OPTIONS = {"level": "s0:c123,c456"}
WRITABLE_MOUNTS = ("data", "password", "scratch")


def check_pod_context(workload, context):
    ids = {context.get(key) for key in ID_KEYS}
    expected = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroupChangePolicy": "OnRootMismatch"}
    if ids == {None}:
        # Set in ci/introspection-url-values.yaml, together with the missing ids.
        expected["supplementalGroups"] = SUPPLEMENTAL_GROUPS
    elif len(ids) == 1 and ids <= ALLOWED_IDS.get(workload["kind"], {65532}):
        expected |= dict.fromkeys(ID_KEYS, *ids)
    else:
        yield f"runs with the ids {ids}"
        return
    if context != expected:
        yield f"its pods have the securityContext {context}"


def check_volumes(volumes):
    """Secrets are readable only by root and fsGroup. Files that are not secret are readable by all."""
    for volume in volumes:
        if "hostPath" in volume:
            yield f"volume {volume['name']} is a hostPath"
        is_public = volume["name"].startswith("ca-")
        for kind, mode in {"secret": 0o444 if is_public else 0o440, "configMap": 0o444}.items():
            if kind in volume and volume[kind]["defaultMode"] != mode:
                yield f"volume {volume['name']} has mode {volume[kind]['defaultMode']:o}"


def check(workload, objects):
    spec = template(workload)["spec"]
    yield from check_pod_context(workload, spec.get("securityContext", {}))
    for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        if spec.get(key):
            yield f"sets {key}"
    yield from check_volumes(spec.get("volumes", []))
    expected = dict(CONTAINER_CONTEXT)
    if spec.get("securityContext", {}).get("supplementalGroups") == SUPPLEMENTAL_GROUPS:
        expected["seLinuxOptions"] = SELINUX_OPTIONS
    for container in containers(workload):
        context = container.get("securityContext", {})
        if context != expected:
            yield f"{container['name']} has the securityContext {context}"
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in WRITABLE_MOUNTS and mount.get("readOnly") is not True:
                yield f"may write to {mount['mountPath']}"
