"""Validates every object strictly: built-in kinds against the schemas of each given Kubernetes version. Custom resources are
printed, one JSON object per line, for custom_resource_schemas.mjs.

    kubernetes_schemas.py VERSION,VERSION RENDERED...
"""

import json
import sys

import kubernetes_validate
from rendered_objects import load, name_of

CUSTOM_API_GROUPS = {"monitoring.coreos.com", "gateway.networking.k8s.io"}


def main(versions, paths):
    errors = []
    for path in paths:
        for item in load(path):
            if item["apiVersion"].split("/")[0] in CUSTOM_API_GROUPS:
                print(json.dumps(item))
                continue
            for version in versions:
                try:
                    kubernetes_validate.validate(item, version, strict=True)
                except Exception as error:  # any exception means that the object was not validated
                    errors.append(f"{path}: {name_of(item)}, Kubernetes {version}: {error}")
    sys.exit("\n".join(errors) or 0)


main(sys.argv[1].split(","), sys.argv[2:])
