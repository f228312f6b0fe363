"""The bundled Redis has the settings that docs/operations.md requires, a volume, and a restart when its password changes."""

from rendered_objects import containers, find, secrets, template

# These are the values of ci/bundled-redis-values.yaml.
ARGUMENTS = ("--appendonly yes --appendfsync everysec --save  --maxmemory 256mb --maxmemory-policy noeviction --dir /data "
             "--protected-mode no --requirepass $(REDISCLI_AUTH)")  # fmt: skip
PASSWORD = "correct horse/battery#1"
CLAIM = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "2Gi"}}}


def check(workload, objects):
    if workload["kind"] != "StatefulSet":
        return
    [container] = containers(workload)
    if container["command"] != ["redis-server"] or " ".join(container["args"]) != ARGUMENTS:
        yield f"runs {container['command']} {container['args']}"
    [variable] = container["env"]
    reference = variable["valueFrom"]["secretKeyRef"]
    if variable["name"] != "REDISCLI_AUTH" or secrets(objects)[reference["name"]][reference["key"]] != PASSWORD:
        yield f"takes its password from {variable}"
    if "checksum/secret" not in template(workload)["metadata"].get("annotations", {}):
        yield "does not restart when its password changes"
    [claim] = workload["spec"]["volumeClaimTemplates"]
    if container["volumeMounts"] != [{"name": claim["metadata"]["name"], "mountPath": "/data"}]:
        yield f"mounts {container['volumeMounts']}, and not its volume at /data"
    if claim["spec"] != CLAIM:
        yield f"has the volume claim {claim['spec']}"
    if set(claim["metadata"]["labels"]) != set(workload["spec"]["selector"]["matchLabels"]):
        yield "has labels on its volume claim that a release may change, which Kubernetes rejects"
    service = find(objects, "Service", workload["spec"]["serviceName"])
    [port] = service["spec"]["ports"]
    if port["port"] != 6379 or workload["spec"]["replicas"] != 1:
        yield f"has {workload['spec']['replicas']} replicas and the Service port {port}"
