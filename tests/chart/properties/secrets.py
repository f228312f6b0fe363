"""No password stands where a Secret should: neither in a workload nor in a ConfigMap. Each key that is used exists,
in the chart's own objects or in those that an operator has made beside the release (cluster.yaml)."""

import json
import os

from rendered_objects import containers, load, secrets, template

# What passwords of ci/*-values.yaml consist of, as they are and in a URL.
PASSWORDS = ("correct horse", "correct%20horse", "p@ss word", "p%40ss", "se:cret", "se%3Acret")
OTHERS = load(f"{os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}/cluster.yaml")


def check(workload, objects):
    for of in [workload, *(of for of in objects if of["kind"] == "ConfigMap")]:
        for password in PASSWORDS:
            if password in json.dumps(of):
                yield f"{of['kind']} holds a password"
    held = {("Secret", name): values for name, values in secrets(OTHERS + objects).items()}
    held |= {("ConfigMap", of["metadata"]["name"]): of["data"] for of in OTHERS + objects if of["kind"] == "ConfigMap"}
    used = []
    for volume in template(workload)["spec"].get("volumes", []):
        for kind, name in {"Secret": "secretName", "ConfigMap": "name"}.items():
            source = volume.get(kind[0].lower() + kind[1:], {})
            used += [(kind, source[name], item["key"]) for item in source.get("items", [])]
    for container in containers(workload):
        for variable in container.get("env", []):
            if ref := variable.get("valueFrom", {}).get("secretKeyRef"):
                used.append(("Secret", ref["name"], ref["key"]))
    for kind, name, key in used:
        if key not in held.get((kind, name), {}):
            yield f"reads {key} of a {kind} {name}, which has none"
