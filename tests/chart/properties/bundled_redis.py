"""The chart's own Redis is as docs/operations.md asks of one, with a volume; its password reaches it when it changes."""

from rendered_objects import containers, find, secrets, template


def check(workload, objects):
    if workload["kind"] != "StatefulSet":
        return
    [container] = containers(workload)
    # Of ci/bundled-redis-values.yaml.
    expected = ("--appendonly yes --appendfsync everysec --save  --maxmemory 256mb --maxmemory-policy noeviction --dir /data "
                "--protected-mode no --requirepass $(REDISCLI_AUTH)")  # fmt: skip
    if container["command"] != ["redis-server"] or " ".join(container["args"]) != expected:
        yield f"runs {container['command']} {container['args']}"
    [variable] = container["env"]
    ref = variable["valueFrom"]["secretKeyRef"]
    if variable["name"] != "REDISCLI_AUTH" or secrets(objects)[ref["name"]][ref["key"]] != "correct horse/battery#1":
        yield f"its password is of {variable}"
    if "checksum/secret" not in template(workload)["metadata"].get("annotations", {}):
        yield "another password does not reach it"
    [claim] = workload["spec"]["volumeClaimTemplates"]
    if container["volumeMounts"] != [{"name": claim["metadata"]["name"], "mountPath": "/data"}]:
        yield f"its AOF is in {container['volumeMounts']}"
    expected = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "2Gi"}}}
    if claim["spec"] != expected:
        yield f"its volume is {claim['spec']}"
    if set(claim["metadata"]["labels"]) != set(workload["spec"]["selector"]["matchLabels"]):
        yield "its volume has labels that a release may change, which Kubernetes refuses"
    service = find(objects, "Service", workload["spec"]["serviceName"])
    [port] = service["spec"]["ports"]
    if port["port"] != 6379 or workload["spec"]["replicas"] != 1:
        yield f"is {workload['spec']['replicas']} at {port}"
