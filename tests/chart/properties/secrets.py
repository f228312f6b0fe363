"""No workload and no ConfigMap contains a password. Each key that a workload uses exists, in the chart's own objects or in
those that an operator creates in addition (cluster.yaml)."""

import json
import os

from rendered_objects import containers, load, secrets, template

# Parts of the passwords in ci/*-values.yaml, as plain text and as in a URL.
PASSWORDS = ("correct horse", "correct%20horse", "p@ss word", "p%40ss", "se:cret", "se%3Acret")
CLUSTER_OBJECTS = load(f"{os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}/cluster.yaml")


def used_keys(workload):
    """Yields kind, name and key of each Secret or ConfigMap entry that the workload mounts or reads."""
    for volume in template(workload)["spec"].get("volumes", []):
        for kind, volume_type, name_key in (("Secret", "secret", "secretName"), ("ConfigMap", "configMap", "name")):
            source = volume.get(volume_type, {})
            for item in source.get("items", []):
                yield kind, source[name_key], item["key"]
    for container in containers(workload):
        for source in container.get("envFrom", []):
            yield "Secret", source["secretRef"]["name"], "TZ"  # the key in cluster.yaml
        for variable in container.get("env", []):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield "Secret", reference["name"], reference["key"]


def check(workload, objects):
    config_maps = [item for item in objects if item["kind"] == "ConfigMap"]
    for item in [workload, *config_maps]:
        for password in PASSWORDS:
            if password in json.dumps(item):
                yield f"{item['kind']} contains a password"
    existing = {("Secret", name): content for name, content in secrets(CLUSTER_OBJECTS + objects).items()}
    for item in CLUSTER_OBJECTS + objects:
        if item["kind"] == "ConfigMap":
            existing["ConfigMap", item["metadata"]["name"]] = item["data"]
    for kind, name, key in used_keys(workload):
        if key not in existing.get((kind, name), {}):
            yield f"reads the key {key} of {kind} {name}, which does not exist"
