"""Checks how values appear in the rendered objects, for values whose rendering depends on other values.

Each case has values that override GOOD, an object, the path of a field in it, and the expected content of the field.

    rendered_values.py HELM3 CHART
"""

import io
import subprocess
import sys

import yaml
from helm4 import merge_into
from rendered_objects import StrictLoader, find

HELM3, CHART = sys.argv[1:]
SERVER, REDIS = "Deployment/rel-matrix-rendezvous", "StatefulSet/rel-matrix-rendezvous-redis"
DEVICES, DOCTOR = "Pod/rel-matrix-rendezvous-test", "Pod/rel-matrix-rendezvous-test-doctor"
IMAGE, POD_IMAGE = "spec.template.spec.containers.0.image", "spec.containers.0.image"


def good():
    return {
        "image": {"repository": "ghcr.example/owner/name", "tag": "1"},
        "config": {"mode": "open", "http": {"public_base_url": "https://a.example.org"}, "msc4108": {"enabled": True}},
        "redis": {"bundled": {"enabled": True, "image": {"tag": "7"}}},
        "tests": {"image": {"tag": "8"}},
    }


def images(registry):
    """Values with this registry for each image, and with a different one in `global`."""
    image = {"image": {"registry": registry}}
    return {**image, "redis": {"bundled": image}, "tests": image}


MIRROR = {"global": {"imageRegistry": "mirror.example.org:5000/proxy"}}
STRATEGY, CONTEXT = "spec.strategy", "spec.template.spec.containers.0.securityContext"
HARDENED = {"allowPrivilegeEscalation": False, "privileged": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}}
MEMORY = {"store": "memory", "replicas": 1, "redis": {"bundled": {"enabled": False}}}
ROLLING_UPDATE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
CASES = [
    # The update strategy.
    ({}, SERVER, STRATEGY, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}),
    (MEMORY, SERVER, STRATEGY, {"type": "Recreate"}),
    *(({**values, "updateStrategy": strategy}, SERVER, STRATEGY, strategy)
      for values in ({}, MEMORY) for strategy in (ROLLING_UPDATE, {"type": "Recreate"})),
    # The security context of containers: values are merged with the defaults, and a null removes a key.
    *(({"securityContext": values}, name, path, expected) for name, path in ((SERVER, CONTEXT), (REDIS, CONTEXT), (DEVICES, "spec.containers.0.securityContext"))
      for values, expected in (
          ({}, HARDENED),
          ({"readOnlyRootFilesystem": False, "runAsUser": 1}, HARDENED | {"readOnlyRootFilesystem": False, "runAsUser": 1}),
          ({"capabilities": {"add": ["SYS_PTRACE"]}}, HARDENED | {"capabilities": {"drop": ["ALL"], "add": ["SYS_PTRACE"]}}),
          ({"capabilities": None}, {key: value for key, value in HARDENED.items() if key != "capabilities"}))),
    # The registry of each image.
    ({}, SERVER, IMAGE, "ghcr.example/owner/name:1"),
    ({}, DOCTOR, POD_IMAGE, "ghcr.example/owner/name:1"),
    ({}, REDIS, IMAGE, "docker.io/library/redis:7"),
    ({}, DEVICES, POD_IMAGE, "docker.io/curlimages/curl:8"),
    *(
        (values, *item)
        for values in (MIRROR, images("mirror.example.org:5000/proxy"), MIRROR | images("other.example.org"))
        for item in (
            (SERVER, IMAGE, "mirror.example.org:5000/proxy/owner/name:1"),
            (DOCTOR, POD_IMAGE, "mirror.example.org:5000/proxy/owner/name:1"),
            (REDIS, IMAGE, "mirror.example.org:5000/proxy/library/redis:7"),
            (DEVICES, POD_IMAGE, "mirror.example.org:5000/proxy/curlimages/curl:8"),
        )
    ),
    *(
        ({"image": {"registry": "r.example.org", "repository": repository}}, SERVER, IMAGE, f"r.example.org/{expected}:1")
        for repository, expected in (
            ("name", "name"), ("owner/name", "owner/name"), ("localhost/name", "name"), ("host:5000/a/name", "a/name"))
    ),
]  # fmt: skip


def render(values):
    """Returns the objects that Helm renders for these values on top of GOOD."""
    merged = good()
    merge_into(merged, values)
    command = [HELM3, "template", "rel", CHART, "-n", "matrix", "--kube-version", "1.37.0", "-f", "-"]
    result = subprocess.run(command, input=yaml.safe_dump(merged), capture_output=True, text=True, timeout=60)
    if result.returncode:
        sys.exit(f"{values}: {result.stderr}")
    return [document for document in yaml.load_all(io.StringIO(result.stdout), StrictLoader) if document]


def field(item, path):
    """Returns the field at the path, or None if there is none. A number is an index of a list."""
    for key in path.split("."):
        if isinstance(item, list):
            item = item[int(key)] if int(key) < len(item) else None
        else:
            item = (item or {}).get(key)
    return item


def main():
    errors, renderings = [], {}
    for values, name, path, expected in CASES:
        text = yaml.safe_dump(values)
        if text not in renderings:
            renderings[text] = render(values)
        found = field(find(renderings[text], *name.split("/")), path)
        if found != expected:
            errors.append(f"{values}: {path} of {name} is {found}, expected {expected}")
    print(f"{len(CASES)} fields in {len(renderings)} renderings")
    sys.exit("\n".join(errors) or 0)


main()
