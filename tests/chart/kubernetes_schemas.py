"""Every object is checked strictly: built-in kinds against the schemas of each Kubernetes version that is named, and
custom resources by custom.mjs, to which they are printed, one JSON a line.

    schemas.py VERSION,VERSION RENDERED...
"""

import json
import sys

import kubernetes_validate
from rendered_objects import load, name_of

CUSTOM = {"monitoring.coreos.com", "gateway.networking.k8s.io"}
bad = []
for path in sys.argv[2:]:
    for of in load(path):
        if of["apiVersion"].split("/")[0] in CUSTOM:
            print(json.dumps(of))
            continue
        for version in sys.argv[1].split(","):
            try:
                kubernetes_validate.validate(of, version, strict=True)
            except Exception as error:  # whatever it is, the object was not found good
                bad.append(f"{path}: {name_of(of)}, Kubernetes {version}: {error}")
sys.exit("\n".join(bad) or 0)
