"""What cannot work must fail at render, in both majors of Helm, with everything that is wrong and nothing else; and what
can must not. Each case is values over good ones, and how what is said begins; up to its end where that is "$".

    validation.py HELM3 CHART
"""

import contextlib
import io
import subprocess
import sys
import tempfile

import helm4
import yaml

HELM3, CHART = sys.argv[1:]
GOOD = {
    "image": {"repository": "r"},
    "config": {"mode": "open"},
    "redis": {"host": "redis"},
}
NO_HOST = {"host": ""}
BUNDLED = {"host": "", "bundled": {"enabled": True}}
URL = {"host": "", "url": {"value": "redis://h"}}
POLICY = {"networkPolicy": {"redis": {"ports": [6379]}}}
PASSWORD = {"value": "p"}
# Each of these is of one kind of Redis, or of some.
DETAILS = {
    "redis.topology": {"topology": "sentinel"}, "redis.port": {"port": 1}, "redis.nodes": {"nodes": ["h:1"]}, "redis.db": {"db": 1},
    "redis.username": {"username": "u"}, "redis.password": {"password": PASSWORD}, "redis.sentinel.service": {"sentinel": {"service": "s"}},
    "redis.sentinel.username": {"sentinel": {"username": "u"}}, "redis.sentinel.password": {"sentinel": {"password": PASSWORD}},
    "redis.tls.enabled": {"tls": {"enabled": True}},
}  # fmt: skip
PEERS = ({"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}, "networkPolicy.redis.to"), ({"ports": [1]}, "networkPolicy.redis.ports")
SECRET = {"introspectionClientSecret": {"value": "s"}}
CA = {"secret": "s", "secretKey": "k"}
MEMORY = {"store": "memory", "replicas": 1}


def bundled(memory, limit="4Gi", storage="4Gi", **more):
    sizes = {"resources": {"limits": {"memory": limit}}, "storage": {"size": storage}}
    return {"redis": {"host": "", "bundled": {"enabled": True, "maxmemoryMiB": memory, **sizes}}, **more}


def auth(**of):
    return {"config": {"auth": of}}


def sessions(most):
    return {"config": {"session": {"max_live": most}}}


CASES = [
    ({}, []),
    ({"image": {"repository": ""}}, ["image.repository"]),
    ({"enabled": True, "global": {"a": 1}}, []),
    ({"enabled": False}, ["enabled: "]),
    # Where sessions are.
    ({**MEMORY, "redis": NO_HOST}, []),
    ({"store": "memory", "redis": NO_HOST}, ["store: "]),
    ({"store": "memory", "redis": NO_HOST, "replicas": 1, "autoscaling": {"enabled": True}}, ["store: "]),
    (MEMORY, ['store: "memory" does not use redis.host$']),
    *(({**MEMORY, "redis": which}, [f'store: "memory" does not use {name}$'])
      for name, which in (("redis.url", URL), ("redis.bundled.enabled", BUNDLED))),
    *(({**MEMORY, "redis": {**NO_HOST, **detail}}, [f'store: "memory" does not use {name}$']) for name, detail in DETAILS.items()),
    ({**MEMORY, "redis": {**NO_HOST, "tls": {"ca": CA}}}, ['store: "memory" does not use redis.tls.ca$']),
    *(({**MEMORY, "redis": NO_HOST, "networkPolicy": {"redis": of}}, [f'store: "memory" does not use {name}$']) for of, name in PEERS),
    # Who says whose a token is.
    ({"config": {"mode": "authenticated"}}, ["config.mode"]),
    ({"config": {"mode": "authenticated", "auth": {"homeserver_url": "http://hs"}}}, []),
    ({"config": {"mode": "authenticated", "auth": {"introspection": {"endpoint": "http://hs"}}}, **SECRET}, []),
    (auth(introspection={"endpoint": "http://hs"}), ["introspectionClientSecret: required"]),
    (auth(introspection={"client_id": "c"}), ["config.auth.introspection.client_id"]),
    (SECRET, ["introspectionClientSecret: has no effect"]),
    ({**auth(introspection={"endpoint": "http://hs"}, homeserver_url="http://hs"), **SECRET}, ["config.auth.introspection.endpoint"]),
    (auth(homeserver=[{"host": ["a"], "mode": "authenticated"}]), ["config.auth.homeserver[0].mode"]),
    (auth(homeserver=[{"host": ["a"]}, {"host": ["b"], "mode": "authenticated"}]), ["config.auth.homeserver[1].mode"]),
    (auth(homeserver=[{"host": ["a"], "mode": "authenticated", "homeserver_url": "http://hs"}]), []),
    ({"config": {"mode": "authenticated", "auth": {"homeserver": [{"host": ["a"], "mode": "open"}]}}}, []),
    ({"config": {"mode": "authenticated", "auth": {"homeserver": [{"host": ["a"]}]}}}, ["config.auth.homeserver[0].mode"]),
    (auth(homeserver=[{"host": ["a", "b"]}, {"host": ["c", "B"]}]), ["config.auth.homeserver[1].host: B"]),
    (auth(homeserver=[{"host": ["a", "a."]}]), ["config.auth.homeserver[0].host: a."]),
    (auth(homeserver=[{"host": ["a"]}, {"host": ["b"]}]), []),
    (auth(homeserver=[{"host": ["a"]}], homeserver_url="http://hs"), ["config.auth.homeserver_url"]),
    ({**auth(homeserver=[{"host": ["a"]}], introspection={"endpoint": "http://hs"}), **SECRET}, ["config.auth.introspection"]),
    ({"config": {"auth": {"homeserver": [{"host": ["a"]}]}, "http": {"public_base_url": "http://hs"}}}, ["config.http.public_base_url"]),
    ({"config": {"msc4108": {"enabled": True}}}, ["config.http.public_base_url"]),
    ({"config": {"msc4108": {"enabled": True}, "http": {"public_base_url": "https://hs"}}}, []),
    ({"config": {"msc4108": {"enabled": True}, "auth": {"homeserver": [{"host": ["a"]}]}}},
     ["config.auth.homeserver[0].public_base_url"]),
    ({"config": {"msc4108": {"enabled": True}, "auth": {"homeserver": [{"host": ["a"], "public_base_url": "https://a"}]}}}, []),
    ({"config": {"http": {"proxy_protocol": True}}, "tests": {"enabled": False}}, ["config.http.proxy_protocol"]),
    ({"config": {"http": {"proxy_protocol": True, "trusted_proxies": ["10.0.0.1"]}}}, ["tests.enabled"]),
    ({"config": {"http": {"proxy_protocol": True, "trusted_proxies": ["10.0.0.1"]}}, "tests": {"enabled": False}}, []),
    ({"ca": CA}, ["ca: "]),
    ({"ca": CA, **auth(homeserver_url="http://hs")}, []),
    # Which Redis.
    ({"redis": NO_HOST}, ["redis: set one of"]),
    ({"redis": {"bundled": {"enabled": True}}}, ["redis: redis.bundled.enabled and redis.host"]),
    ({"redis": {"url": {"value": "redis://h"}}, **POLICY}, ["redis: redis.host and redis.url"]),
    ({"redis": URL}, ["networkPolicy.redis.ports"]),
    ({"redis": URL, "networkPolicy": {"enabled": False}}, []),
    ({"redis": {**URL, "tls": {"enabled": True, "ca": CA}}, **POLICY}, []),
    ({"redis": {**URL, "tls": {"enabled": True}}, **POLICY}, ["redis.tls.enabled"]),
    *(({"redis": {**URL, **detail}, **POLICY}, [f"redis.url: replaces all other Redis values, and does not use {name}$"])
      for name, detail in DETAILS.items() if name != "redis.tls.enabled"),
    ({"redis": {"tls": {"ca": CA}}}, ["redis.tls.ca"]),
    ({"redis": {"tls": {"ca": CA, "enabled": True}}}, []),
    ({"redis": {"nodes": ["h:1"]}}, ["redis.nodes"]),
    ({"redis": {"nodes": ["h:1"], "topology": "cluster"}}, []),
    ({"redis": {"topology": "cluster", "db": 1}}, ["redis.db"]),
    ({"redis": {"topology": "sentinel", "db": 1, "sentinel": {"service": "s", "username": "u", "password": PASSWORD}}}, []),
    *(({"redis": {"topology": topology, **detail}}, [name + ": has no effect"]) for topology in ("standalone", "cluster")
      for name, detail in DETAILS.items() if name.startswith("redis.sentinel.")),
    ({"redis": {**BUNDLED, "password": PASSWORD}}, []),
    ({"redis": {**BUNDLED, "tls": {"ca": CA}}}, ["redis.tls.ca"]),
    *(({"redis": {**BUNDLED, **detail}}, [f"redis.bundled: is one node without TLS on a fixed port, and does not use {name}$"])
      for name, detail in DETAILS.items() if name != "redis.password"),
    *(({"redis": BUNDLED, "networkPolicy": {"redis": of}}, [f"redis.bundled: is one node without TLS on a fixed port, and does not use {name}$"])
      for of, name in PEERS),
    # Its memory: 7 KiB a session are 68.4 MiB for 10,000, of which the service wants all (startup_check.rs).
    (bundled(68), ["redis.bundled.maxmemoryMiB: config.session.max_live requires at least 69"]),
    (bundled(69), []),
    (bundled(683, **sessions(100000)), ["redis.bundled.maxmemoryMiB: config.session.max_live requires at least 684"]),
    (bundled(684, **sessions(100000)), []),
    (bundled(7, **sessions(1024)), []),
    (bundled(200, "399Mi"), ["redis.bundled.resources.limits.memory"]),
    (bundled(200, "400Mi"), []),
    (bundled(513, storage="1Gi"), ["redis.bundled.storage.size"]),
    (bundled(512, storage="1Gi"), []),
    (bundled(513, "1Gi"), ["redis.bundled.resources.limits.memory"]),
    (bundled(512, "1Gi"), []),
    # Kubernetes.
    ({"ingress": {"enabled": True}}, ["ingress.hosts"]),
    ({"httpRoute": {"enabled": True}}, ["httpRoute.parentRefs", "httpRoute.hostnames"]),
    ({"autoscaling": {"enabled": True, "minReplicas": 9}}, ["autoscaling.minReplicas"]),
    ({"autoscaling": {"enabled": True, "cpuUtilization": 0}}, ["autoscaling: requires"]),
    ({"serviceAccount": {"create": False}}, ["serviceAccount.name: required"]),
    ({"serviceAccount": {"name": "a"}}, ["serviceAccount.name: has no effect"]),
    ({"fullnameOverride": "mailbox", "prometheusRule": {"enabled": True}}, ["fullnameOverride"]),
    ({"fullnameOverride": "mailbox"}, []),
    *(({"fullnameOverride": name}, ["fullnameOverride"]) for name in ("2026", "-a")),
    ({"service": {"externalTrafficPolicy": "Local"}}, ["service.externalTrafficPolicy"]),
    ({"service": {"externalTrafficPolicy": "Local", "type": "NodePort"}}, []),
    *(({"extraEnv": [{"name": name, "value": "v"}]}, ["extraEnv"]) for name in (
        "RENDEZVOUS_CONFIG", "RENDEZVOUS_HTTP__LISTEN", "RENDEZVOUS_ADMIN__LISTEN", "RENDEZVOUS_SHUTDOWN__GRACE",
        "RENDEZVOUS_STORE__BACKEND", "RENDEZVOUS_STORE__REDIS__URL", "RENDEZVOUS_STORE__REDIS__URL_FILE", "RENDEZVOUS_AUTH__CA_FILE",
        "RENDEZVOUS_AUTH__INTROSPECTION__CLIENT_SECRET", "RENDEZVOUS_STORE__REDIS__PASSWORD_FILE",
        "RENDEZVOUS_STORE__REDIS__SENTINEL_PASSWORD_FILE",
    )),
    ({"extraEnv": [{"name": "RENDEZVOUS_MODE", "value": "off"}, {"name": "TZ", "value": "UTC"}]}, []),
    # All at once.
    ({"image": {"repository": ""}, "store": "memory", "redis": NO_HOST, "config": {"mode": "authenticated", "msc4108": {"enabled": True}}},
     ["image.repository", "store: ", "config.mode", "config.http.public_base_url"]),
]  # fmt: skip
# What the schema refuses, with the word that must stand in the message.
REFUSED = [
    ({"replica": 3}, "replica"),
    ({"config": {"mod": "open"}}, "mod"),
    ({"config": {"limits": {"create": {"clients": {"burst": 1}}}}}, "clients"),
    ({"config": {"store": {"redis": {"url": "redis://h"}}}}, "url"),
    ({"config": {"mode": "public house"}}, "mode"),
    (auth(homeserver=[{"host": ["a"], "introspection": {"endpoint": "http://hs"}}]), "introspection"),
    (auth(homeserver=[{"mode": "open"}]), "host"),
    ({"redis": {"password": {"value": "a", "secret": "b", "secretKey": "c"}}}, "password"),
    ({"redis": {"password": {"secret": "b"}}}, "password"),
    *(({"redis": {"password": {"value": value}}}, "password") for value in ("", " ", "p ", " p", "p\n", "p q\t")),
    ({"redis": {"topology": "sentinel", "sentinel": {"service": ""}}}, "service"),
    *(({"networkPolicy": {"dns": {of: []}}}, of) for of in ("to", "ports")),
    *(({"ingress": {"hosts": [host]}}, "hosts") for host in ("https://a.example.org", "", "a.example.org:443", "a/b")),
    ({"httpRoute": {"hostnames": ["https://a.example.org"]}}, "hostnames"),
    *(({"image": {"repository": name}}, "repository") for name in ("r:1", "r.example.org/r:1", "r@sha256", "r r")),
    *((values, "tag") for values in ({"tests": {"image": {"tag": ""}}}, {"redis": {"bundled": {"image": {"tag": ""}}}})),
    *(({"probes": {probe: {"successThreshold": 2}}}, "successThreshold") for probe in ("startup", "liveness")),
    *(({of: "my.name"}, of) for of in ("nameOverride", "fullnameOverride")),
    ({"redis": {"tls": None}}, "tls"),
    ({"autoscaling": None}, "autoscaling"),
    ({"redis": {"bundled": {"storage": {"size": "1G"}}}}, "size"),
    ({"redis": {"tls": {"ca": {"secret": "b"}}}}, "ca"),
    ({"ca": {"configMap": "c", "key": "k"}}, "ca"),
    ({"redis": {"nodes": ["h"]}}, "nodes"),
    ({"redis": {"nodes": ["fd00::1:6379"]}}, "nodes"),
    *(({"redis": {"host": host}}, "host") for host in ("redis:6379", "fd00::1", "redis://redis", "user@redis", "redis/2")),
    ({"redis": {"bundled": {"resources": {"limits": {"memory": "1G"}}}}}, "memory"),
    ({"autoscaling": {"customMetric": {"name": "m"}}}, "customMetric"),
    ({"probes": {"readiness": {"httpGet": {}}}}, "readiness"),
    ({"shutdown": {"graceSeconds": "5s"}}, "graceSeconds"),
    ({"service": {"ports": 1}}, "ports"),
    ({"networkPolicy": {"from": []}}, "from"),
    ({"tests": {"image": {"repo": "x"}}}, "repo"),
]  # fmt: skip
# What looks like it, and is fine.
FINE = [
    ({"redis": {"host": "[fd00::1]"}}, []),
    *(({"image": {"repository": name}}, []) for name in ("r", "r.example.org:5000/some/r", "some/r")),
    ({"ingress": {"enabled": True, "hosts": ["*.example.org", "a.example.org"]}}, []),
    ({"probes": {"readiness": {"successThreshold": 2}}, "config": {"session": {"ttl": "1m30s"}}}, []),
    *(({"redis": {"password": {"value": value}}}, []) for value in ("p", "p q", "p\nq")),
    ({"redis": {"host": "[fd00::1]", "topology": "cluster", "nodes": ["[fd00::2]:6379", "redis-2.redis:6379"]}}, []),
    ({"autoscaling": {"enabled": True, "customMetric": {"name": "m", "averageValue": 3}}}, []),
]
bad = []


def render(values):
    """What each Helm says of it, or None where it renders."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as over, tempfile.NamedTemporaryFile("w", suffix=".yaml") as good:
        yaml.safe_dump(GOOD, good), yaml.safe_dump(values, over)
        good.flush(), over.flush()
        command = [HELM3, "template", "rel", CHART, "--kube-version", "1.37.0", "-f", good.name, "-f", over.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        yield "Helm 3", done.stdout + done.stderr if done.returncode else None
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                helm4.render(CHART, "ns", "rel", good.name, over.name)
            yield "Helm 4", None
        except helm4.helm_python.HelmError as error:
            yield "Helm 4", str(error)


for values, names in CASES + FINE:
    for helm, said in render(values):
        lines = [line[2:] for line in (said or "").splitlines() if line.startswith("- ")]
        fits = len(lines) == len(names) and all(any(f"{line}$".startswith(name) for line in lines) for name in names)
        if not fits or bool(said) != bool(names):
            bad.append(f"{helm}, {values}: expected {names or 'no mistake'}, found {said}")
for values, word in REFUSED:
    for helm, said in render(values):
        if not said or word not in said or "Invalid values" in said:
            bad.append(f"{helm}, {values}: the schema should refuse {word}: {said}")
print(f"{len(CASES + FINE)} cases of mistakes, {len(REFUSED)} that the schema refuses")
sys.exit("\n".join(bad) or 0)
