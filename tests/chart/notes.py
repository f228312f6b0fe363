"""The notes after an install say the next commands, by names that are there, and what is left to do, where it is.

    notes.py DIRECTORY      with a NAME.helm4 of each of ci/*-values.yaml: the objects, then the notes
"""

import re
import sys

import yaml

PODS = "app.kubernetes.io/instance=rel,app.kubernetes.io/component=server"
OFF, ALL_AS_ONE = "The JSON dialect is off", "all clients count as one"
NOWHERE, TRY, PVC = "No route leads clients here yet", "helm -n matrix test rel || kubectl -n matrix logs", "delete pvc data-"
LETS_OUT = "The NetworkPolicy allows egress"
ELSEWHERE = "Neither Ingress nor HTTPRoute covers"
SOMETIMES = (ELSEWHERE, OFF, ALL_AS_ONE, NOWHERE, TRY, PVC, LETS_OUT)
EXPECTED = {  # those of the above that are said, and what else is
    "authenticated": [TRY, LETS_OUT, "mode authenticated.", "Redis: 6379 (", "homeserver and trace collector: 8008, 8080 (",
                      "https://matrix.example.org/_matrix/client/unstable/org.matrix.msc4108/rendezvous", "ETag dialect: on"],
    "bundled-redis": [TRY, LETS_OUT, NOWHERE, PVC + "rel-matrix-rendezvous-redis-0", "mode open.", "rel-matrix-rendezvous.matrix.svc:8080"],
    "cluster-homeservers": [TRY, LETS_OUT, ALL_AS_ONE, "mode authenticated and open.", "Redis: 6379, 6380 (",
                            "https://matrix.example.org/_matrix/client/unstable/io.", "https://matrix.example.net/_matrix/client/unstable/io."],
    "introspection-url": [TRY, LETS_OUT, ALL_AS_ONE, NOWHERE, "Redis: 6390 ("],
    "memory": [ALL_AS_ONE, NOWHERE, "store memory"],
    "monitoring-scaling": [TRY, LETS_OUT, ALL_AS_ONE, NOWHERE, "rendezvous.matrix.svc:80 "],
    "sentinel-tls": [TRY, LETS_OUT, ALL_AS_ONE, "Redis: 26379, 6379 (", "https://matrix.example.org/_matrix/client/unstable/io.",
                     "ETag dialect: off"],
    "elsewhere": [TRY, LETS_OUT, ALL_AS_ONE, ELSEWHERE + " elsewhere.example.org: its proxy must route there.", "at https://elsewhere.example.org:8448.",
                  "https://matrix.example.org/_matrix/client/unstable/io."],
    "off": [TRY, OFF, ALL_AS_ONE, NOWHERE, "mode off."],
}  # fmt: skip
bad = []
for name, expected in EXPECTED.items():
    with open(f"{sys.argv[1]}/{name}.helm4", encoding="utf-8") as file:
        rendered, notes = file.read().split("---\n# notes:\n")
    objects = [of for of in yaml.safe_load_all(rendered) if of]
    [server] = [of["metadata"]["name"] for of in objects if of["kind"] == "Deployment"]
    pods = dict(label.split("=") for label in PODS.split(","))
    if not pods.items() <= [of for of in objects if of["kind"] == "Deployment"][0]["spec"]["template"]["metadata"]["labels"].items():
        bad.append(f"{name}: no pods are {PODS}")
    for command in (f"rollout status deployment/{server}\n", f"get pods -l {PODS}\n", f"logs -l {PODS} --prefix --tail=20\n",
                    f'port-forward "$(kubectl -n matrix get pods -l {PODS} -o name | head -1)" 8081 &\n',
                    "curl --retry 10 --retry-connrefused --retry-delay 1 'http://127.0.0.1:8081/readyz?verbose'; kill %1\n"):  # fmt: skip
        if command not in notes:
            bad.append(f"{name}: does not say {command}")
    if notes.index("get pods") > notes.index("logs -l") or notes.index("logs -l") > notes.index("port-forward"):
        bad.append(f"{name}: looks into a pod before it looks whether there is one")
    for text in expected:
        if text not in notes:
            bad.append(f"{name}: does not say {text}")
    for text in SOMETIMES:
        if text in notes and not any(text in said for said in expected):
            bad.append(f"{name}: says {text}")
    for pod in re.findall(r"logs (\S+-test)", notes):
        if ("Pod", pod) not in [(of["kind"], of["metadata"]["name"]) for of in objects]:
            bad.append(f"{name}: there is no pod {pod}")
print(f"{len(EXPECTED)} times the notes")
sys.exit("\n".join(bad) or 0)
