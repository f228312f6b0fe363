"""What cannot work must fail at render, in both majors of Helm, with everything that is wrong and nothing else; and what
can must not. Each case is values over good ones, and what must be named.

    mistakes.py HELM3 CHART
"""

import subprocess
import sys
import tempfile

import yaml

HELM3, CHART = sys.argv[1:]
GOOD = {
    "image": {"repository": "r"},
    "config": {"mode": "open"},
    "redis": {"host": "redis"},
}
WAYS = {"config": {"mode": "authenticated"}}
CASES = [
    ({}, []),
    ({"image": {"repository": ""}}, ["image.repository"]),
    ({"store": "memory", "redis": {"host": ""}, "replicas": 1}, []),
    ({"store": "memory", "redis": {"host": ""}}, ["store: "]),
    ({"store": "memory", "redis": {"host": ""}, "replicas": 1, "autoscaling": {"enabled": True}}, ["store: "]),
    ({"store": "memory", "replicas": 1}, ["store: is"]),
    (WAYS, ["config.mode"]),
    ({"config": {"mode": "authenticated", "auth": {"homeserver_url": "http://hs"}}}, []),
    ({"config": {"mode": "authenticated", "auth": {"introspection": {"endpoint": "http://hs"}}}}, []),
    ({"config": {"auth": {"homeserver": [{"host": ["a"], "mode": "authenticated"}]}}}, ["config.auth.homeserver[0].mode"]),
    ({"config": {"msc4108": {"enabled": True}}}, ["config.http.public_base_url"]),
    ({"config": {"msc4108": {"enabled": True}, "http": {"public_base_url": "https://hs"}}}, []),
    ({"config": {"msc4108": {"enabled": True}, "auth": {"homeserver": [{"host": ["a"]}]}}},
     ["config.auth.homeserver[0].public_base_url"]),
    ({"introspectionClientSecret": {"value": "s"}}, ["introspectionClientSecret"]),
    ({"redis": {"host": ""}}, ["redis: say which"]),
    ({"redis": {"bundled": {"enabled": True}}}, ["redis: redis.host and redis.bundled.enabled"]),
    ({"redis": {"host": "", "url": {"value": "redis://h"}}}, ["networkPolicy.redis.ports"]),
    ({"redis": {"host": "", "username": "u", "url": {"value": "redis://h"}}, "networkPolicy": {"redis": {"ports": [1]}}},
     ["redis.url"]),
    ({"redis": {"topology": "cluster", "db": 1}}, ["redis.db"]),
    ({"redis": {"host": "", "tls": {"enabled": True}, "bundled": {"enabled": True}}}, ["redis.bundled: "]),
    ({"redis": {"host": "", "bundled": {"enabled": True}}, "config": {"session": {"max_live": 100000}}},
     ["redis.bundled.maxmemoryMiB"]),
    ({"ingress": {"enabled": True}}, ["ingress.host"]),
    ({"httpRoute": {"enabled": True}}, ["httpRoute.parentRefs", "httpRoute.hostnames"]),
    ({"autoscaling": {"enabled": True, "minReplicas": 9}}, ["autoscaling.minReplicas"]),
    ({"autoscaling": {"enabled": True, "cpuUtilization": 0}}, ["autoscaling: has"]),
    ({"serviceAccount": {"create": False}}, ["serviceAccount.name"]),
    ({"fullnameOverride": "mailbox", "prometheusRule": {"enabled": True}}, ["fullnameOverride"]),
    # All at once.
    ({"image": {"repository": ""}, "store": "memory", "redis": {"host": ""}, "config": {"mode": "authenticated", "msc4108": {"enabled": True}}},
     ["image.repository", "store: ", "config.mode", "config.http.public_base_url"]),
]  # fmt: skip
# What the schema refuses, with the word that must stand in the message.
REFUSED = [
    ({"replica": 3}, "replica"),
    ({"config": {"mod": "open"}}, "mod"),
    ({"config": {"limits": {"create": {"clients": {"burst": 1}}}}}, "clients"),
    ({"config": {"store": {"redis": {"url": "redis://h"}}}}, "url"),
    ({"config": {"mode": "public house"}}, "mode"),
    ({"redis": {"password": {"value": "a", "secret": "b", "secretKey": "c"}}}, "password"),
    ({"redis": {"password": {"secret": "b"}}}, "password"),
    ({"redis": {"tls": {"ca": {"secret": "b"}}}}, "ca"),
    ({"redis": {"nodes": ["h"]}}, "nodes"),
    ({"probes": {"readiness": {"httpGet": {}}}}, "readiness"),
    ({"shutdown": {"graceSeconds": "5s"}}, "graceSeconds"),
    ({"service": {"ports": 1}}, "ports"),
    ({"networkPolicy": {"from": []}}, "from"),
    ({"tests": {"image": {"repo": "x"}}}, "repo"),
]
bad = []


def render(values):
    """What each Helm says of it, or None where it renders."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as over, tempfile.NamedTemporaryFile("w", suffix=".yaml") as good:
        yaml.safe_dump(GOOD, good)
        yaml.safe_dump(values, over)
        good.flush(), over.flush()
        files = ["-f", good.name, "-f", over.name]
        commands = {
            "Helm 3": [HELM3, "template", "rel", CHART, "--kube-version", "1.37.0", *files],
            "Helm 4": [sys.executable, __file__.replace("mistakes", "helm4"), "render", CHART, "ns", "rel", *files[1::2]],
        }
        for helm, command in commands.items():
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            yield helm, done.stdout + done.stderr if done.returncode else None


for values, names in CASES:
    for helm, said in render(values):
        lines = [line[2:] for line in (said or "").splitlines() if line.startswith("- ")]
        fits = len(lines) == len(names) and all(any(line.startswith(name) for line in lines) for name in names)
        if not fits or bool(said) != bool(names):
            bad.append(f"{helm}, {values}: expected {names or 'no mistake'}, found {said}")
for values, word in REFUSED:
    for helm, said in render(values):
        if not said or word not in said or "This cannot work" in said:
            bad.append(f"{helm}, {values}: the schema should refuse {word}: {said}")
print(f"{len(CASES)} cases of mistakes, {len(REFUSED)} that the schema refuses")
sys.exit("\n".join(bad) or 0)
