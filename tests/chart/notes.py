"""Checks the notes that Helm prints after an install: the next commands with names that exist, and hints only if they apply.

    notes.py DIRECTORY    which has a file NAME.helm4 for each of ci/*-values.yaml: the objects, then the notes
"""

import re
import sys

import yaml
from rendered_objects import is_server

POD_LABELS = "app.kubernetes.io/instance=rel,app.kubernetes.io/component=server"
# Hints, each of which appears only in some notes.
MODE_OFF = "The JSON dialect is off"
NO_TRUSTED_PROXIES = "all clients count as one"
NO_ROUTE = "No route leads clients here yet"
HELM_TEST = "-test || kubectl -n matrix logs"
DOCTOR_TEST = "-test-doctor || kubectl -n matrix logs"
DELETE_VOLUME = "delete pvc data-"
EGRESS_PORTS = "The NetworkPolicy allows egress"
HOST_NOT_ROUTED = "Neither Ingress nor HTTPRoute covers"
HINTS = (DOCTOR_TEST, HOST_NOT_ROUTED, MODE_OFF, NO_TRUSTED_PROXIES, NO_ROUTE, HELM_TEST, DELETE_VOLUME, EGRESS_PORTS)
# The texts that must appear. A hint that is not listed must not appear.
EXPECTED = {
    "authenticated": [HELM_TEST, DOCTOR_TEST, EGRESS_PORTS, "mode authenticated.", "Redis: 6379 (", "homeserver and collector: 8008, 8080 (",
                      "https://matrix.example.org/_matrix/client/unstable/org.matrix.msc4108/rendezvous", "ETag dialect: on"],
    "bundled-redis": [HELM_TEST, DOCTOR_TEST, "check https://matrix.example.org:", EGRESS_PORTS, NO_ROUTE, DELETE_VOLUME + "rel-matrix-rendezvous-redis-0", "mode open.",
                      "rel-matrix-rendezvous.matrix.svc:8080"],
    "cluster-homeservers": [HELM_TEST, DOCTOR_TEST, "check https://matrix.example.org and https://matrix.example.net:", EGRESS_PORTS, NO_TRUSTED_PROXIES, "mode authenticated and open.", "Redis: 6379, 6380 (",
                            "https://matrix.example.org/_matrix/client/unstable/io.", "https://matrix.example.net/_matrix/client/unstable/io."],
    "introspection-url": [HELM_TEST, EGRESS_PORTS, NO_TRUSTED_PROXIES, NO_ROUTE, "Redis: 6390 ("],
    "memory": [NO_TRUSTED_PROXIES, NO_ROUTE, "store memory"],
    "monitoring-scaling": [HELM_TEST, EGRESS_PORTS, NO_TRUSTED_PROXIES, NO_ROUTE, "rendezvous.matrix.svc:80 "],
    "sentinel-tls": [HELM_TEST, EGRESS_PORTS, NO_TRUSTED_PROXIES, "Redis: 26379, 6379 (",
                     "https://matrix.example.org/_matrix/client/unstable/io.", "ETag dialect: off"],
    "elsewhere": [HELM_TEST, DOCTOR_TEST, EGRESS_PORTS, NO_TRUSTED_PROXIES, HOST_NOT_ROUTED + " elsewhere.example.org: its proxy must route there.",
                  "at https://elsewhere.example.org:8448.", "https://matrix.example.org/_matrix/client/unstable/io."],
    "off": [HELM_TEST, MODE_OFF, NO_TRUSTED_PROXIES, NO_ROUTE, "mode off."],
}  # fmt: skip


def commands(server):
    """Returns the commands that all notes contain, for the Deployment of this name."""
    return (
        f"rollout status deployment/{server}\n",
        f"get pods -l {POD_LABELS}\n",
        f"logs -l {POD_LABELS} --prefix --tail=20\n",
        f'port-forward "$(kubectl -n matrix get pods -l {POD_LABELS} -o name | head -1)" 8081 &\n',
        "curl --retry 10 --retry-connrefused --retry-delay 1 'http://127.0.0.1:8081/readyz?verbose'; kill %1\n",
    )


def check(objects, notes, expected):
    """Yields what is wrong with the notes of one rendering."""
    [deployment] = filter(is_server, objects)
    selector = dict(label.split("=") for label in POD_LABELS.split(","))
    if not selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items():
        yield f"no pods have the labels {POD_LABELS}"
    for text in (*commands(deployment["metadata"]["name"]), *expected):
        if text not in notes:
            yield f"lacks: {text}"
    if not notes.index("get pods") < notes.index("logs -l") < notes.index("port-forward"):
        yield "the commands must list the pods, then their logs, then forward a port"
    for hint in HINTS:
        if hint in notes and not any(hint in text for text in expected):
            yield f"has an unexpected hint: {hint}"
    pods = [item["metadata"]["name"] for item in objects if item["kind"] == "Pod"]
    for name in re.findall(r"logs (\S+-test\S*)|--filter name=(\S+)", notes):
        if "".join(name) not in pods:
            yield f"names a pod that does not exist: {''.join(name)}"


errors = []
for name, expected in EXPECTED.items():
    with open(f"{sys.argv[1]}/{name}.helm4", encoding="utf-8") as file:
        rendered, notes = file.read().split("---\n# notes:\n")
    objects = [item for item in yaml.safe_load_all(rendered) if item]
    errors += [f"notes of {name}: {error}" for error in check(objects, notes, expected)]
print(f"the notes of {len(EXPECTED)} renderings")
sys.exit("\n".join(errors) or 0)
