"""The bundled Redis has the settings that docs/operations.md requires, a volume, and a restart when its password changes. The
password is in no argument of a process."""

import hashlib
import os
import subprocess
import tempfile

from rendered_objects import containers, find, secrets, template

# These are the values of ci/bundled-redis-values.yaml.
ARGUMENTS = ("--appendonly yes --appendfsync everysec --save  --maxmemory 256mb --maxmemory-policy noeviction --dir /data "
             "--protected-mode no")  # fmt: skip
PASSWORD = "correct horse/battery#1"
MOUNTS = {"/data": "data", "/run/redis": "password"}
# In place of redis-server: prints its arguments, and the file of the first one.
FAKE_REDIS = '#!/bin/sh\necho "$@"\ncat "$1"\n'
CLAIM = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "2Gi"}}}


def started_process(container, password):
    """Runs the container's command with a fake redis-server. Returns its arguments, and the text of the configuration file."""
    with tempfile.TemporaryDirectory() as directory:
        with open(f"{directory}/redis-server", "w", encoding="utf-8") as file:
            file.write(FAKE_REDIS)
        os.chmod(file.name, 0o755)
        command = [word.replace("/run/redis", directory) for word in container["command"]] + container["args"]
        environment = {"PATH": f"{directory}:{os.environ['PATH']}", "REDISCLI_AUTH": password}
        output = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout
        arguments, config = output.replace(directory, "/run/redis").split("\n", 1)
    return arguments, config


def check_password(container):
    """The command passes the hash of the password in a file."""
    for password in (PASSWORD, " 'a\n\"\\$b`c`\u00e9 "):
        arguments, config = started_process(container, password)
        if arguments != f"/run/redis/password.conf {ARGUMENTS}":
            yield f"starts redis-server with the arguments {arguments}"
        if config != f"user default on #{hashlib.sha256(password.encode()).hexdigest()} ~* &* +@all\n":
            yield f"starts redis-server with the configuration {config}"


def check(workload, objects):
    if workload["kind"] != "StatefulSet":
        return
    [container] = containers(workload)
    yield from check_password(container)
    [variable] = container["env"]
    reference = variable["valueFrom"]["secretKeyRef"]
    if variable["name"] != "REDISCLI_AUTH" or secrets(objects)[reference["name"]][reference["key"]] != PASSWORD:
        yield f"takes its password from {variable}"
    if "checksum/secret" not in template(workload)["metadata"].get("annotations", {}):
        yield "does not restart when its password changes"
    [claim] = workload["spec"]["volumeClaimTemplates"]
    if {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]} != MOUNTS or claim["metadata"]["name"] != "data":
        yield f"mounts {container['volumeMounts']}, and not its volume at /data"
    if template(workload)["spec"].get("volumes") != [{"name": "password", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]:
        yield f"has the volumes {template(workload)['spec'].get('volumes')}"
    if claim["spec"] != CLAIM:
        yield f"has the volume claim {claim['spec']}"
    if set(claim["metadata"]["labels"]) != set(workload["spec"]["selector"]["matchLabels"]):
        yield "has labels on its volume claim that a release may change, which Kubernetes rejects"
    service = find(objects, "Service", workload["spec"]["serviceName"])
    [port] = service["spec"]["ports"]
    if port["port"] != 6379 or workload["spec"]["replicas"] != 1:
        yield f"has {workload['spec']['replicas']} replicas and the Service port {port}"
