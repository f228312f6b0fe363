"""Validates every object strictly: built-in kinds against the schemas of each given Kubernetes version. Custom resources are
printed, one JSON object per line, for custom_resource_schemas.mjs.

    kubernetes_schemas.py VERSION,VERSION RENDERED...
"""

import json
import sys

import kubernetes_validate
from rendered_objects import load, name_of

CUSTOM_API_GROUPS = {"monitoring.coreos.com", "gateway.networking.k8s.io", "networking.gke.io", "cloud.google.com"}
# Fields that are newer than the oldest version. Without them the object is valid there; the chart rejects them there.
NEWER_FIELDS = {("Service", "trafficDistribution"): "1.31"}


def as_of(version, item):
    """Returns the object without the fields that are newer than the version."""
    newer = {field for (kind, field), since in NEWER_FIELDS.items() if kind == item["kind"] and number(version) < number(since)}
    return {**item, "spec": {key: value for key, value in item["spec"].items() if key not in newer}} if newer else item


def number(version):
    return tuple(map(int, version.split(".")))


def main(versions, paths):
    errors = []
    for path in paths:
        for item in load(path):
            if item["apiVersion"].split("/")[0] in CUSTOM_API_GROUPS:
                print(json.dumps(item))
                continue
            for version in versions:
                try:
                    kubernetes_validate.validate(as_of(version, item), version, strict=True)
                except Exception as error:  # any exception means that the object was not validated
                    errors.append(f"{path}: {name_of(item)}, Kubernetes {version}: {error}")
    sys.exit("\n".join(errors) or 0)


main(sys.argv[1].split(","), sys.argv[2:])
