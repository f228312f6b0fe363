"""No password stands where a Secret should: neither in a workload nor in a ConfigMap. Each that is used exists."""

import json

from objects import containers, secrets, template

# What passwords of ci/*-values.yaml consist of, as they are and in a URL.
PASSWORDS = ("correct horse", "correct%20horse", "p@ss word", "p%40ss", "se:cret", "se%3Acret")
# What an operator has made beside the release (tests/chart/cluster.yaml).
OTHERS = {"redis", "redis-ca", "introspection", "authorities"}


def check(workload, objects):
    for of in [workload, *(of for of in objects if of["kind"] == "ConfigMap")]:
        for password in PASSWORDS:
            if password in json.dumps(of):
                yield f"{of['kind']} holds a password"
    own = secrets(objects)
    used = []
    for volume in template(workload)["spec"].get("volumes", []):
        for item in volume.get("secret", {}).get("items", []):
            used.append((volume["secret"]["secretName"], item["key"]))
    for container in containers(workload):
        for variable in container.get("env", []):
            if ref := variable.get("valueFrom", {}).get("secretKeyRef"):
                used.append((ref["name"], ref["key"]))
    for name, key in used:
        if key not in own.get(name, {}) and name not in OTHERS:
            yield f"reads {key} of a Secret {name}, which has none"
