"""Checks that the Kubernetes snippets of docs/routing.md route the same three prefixes to one Service.

Usage: objects.py DIRECTORY, with ingress.yaml, gateway.yaml, ess.yaml in it; prints the HTTPRoute as JSON.
"""

import json
import sys

import yaml

PREFIXES = [
    "/_matrix/client/unstable/io.element.msc4388/rendezvous",
    "/_matrix/client/unstable/org.matrix.msc4108/rendezvous",
    "/_matrix/client/v1/rendezvous",
]


def load(name):
    with open(f"{sys.argv[1]}/{name}.yaml", encoding="utf-8") as file:
        return yaml.safe_load(file)


def equal(what, expected, found):
    if expected != found:
        sys.exit(f"{what}: expected {expected}, found {found}")


SERVICE = {"name": "rendezvous", "port": {"number": 8080}}

[rule] = load("ingress")["spec"]["rules"]
equal(
    "the Ingress",
    [{"path": path, "pathType": "Prefix", "backend": {"service": SERVICE}} for path in PREFIXES],
    rule["http"]["paths"],
)

route = load("gateway")
[rule] = route["spec"]["rules"]
equal(
    "the HTTPRoute",
    [{"path": {"type": "PathPrefix", "value": path}} for path in PREFIXES],
    rule["matches"],
)
equal("its keys", {"parentRefs", "hostnames", "rules"}, set(route["spec"]))  # the schema accepts other keys
equal("its backend", [{"name": "rendezvous", "port": 8080}], rule["backendRefs"])

equal(
    "the values of the Element Server Suite",
    {
        "synapse": {
            "ingress": {
                "additionalPaths": [
                    {"path": path, "availability": "only_externally", "service": SERVICE}
                    for path in PREFIXES
                ]
            }
        }
    },
    load("ess"),
)
json.dump(route, sys.stdout)
