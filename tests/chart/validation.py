"""Checks that values which cannot work fail at render, in both major versions of Helm, with one line for each error and no
other line, and that valid values render.

Each case has values that override GOOD, and the beginning of each expected error line. A "$" matches the end of the line.

    validation.py HELM3 CHART
"""

import contextlib
import io
import subprocess
import sys
import tempfile

import helm4
import validation_kubernetes as kubernetes
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
REDIS_PORTS = {"networkPolicy": {"redis": {"ports": [6379]}}}
PASSWORD = {"value": "p"}
# Settings that only some kinds of Redis use: name of the value, and values of `redis` that set it.
REDIS_SETTINGS = {
    "redis.topology": {"topology": "sentinel"}, "redis.port": {"port": 1}, "redis.nodes": {"nodes": ["h:1"]}, "redis.db": {"db": 1},
    "redis.username": {"username": "u"}, "redis.password": {"password": PASSWORD}, "redis.sentinel.service": {"sentinel": {"service": "s"}},
    "redis.sentinel.username": {"sentinel": {"username": "u"}}, "redis.sentinel.password": {"sentinel": {"password": PASSWORD}},
    "redis.tls.enabled": {"tls": {"enabled": True}},
}  # fmt: skip
# Values of networkPolicy.redis, and the name of the value that they set.
REDIS_POLICIES = ({"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}, "networkPolicy.redis.to"), ({"ports": [1]}, "networkPolicy.redis.ports")
CLIENT_SECRET = {"introspectionClientSecret": {"value": "s"}}
CA = {"secret": "s", "secretKey": "k"}
TOKEN = {"secret": "s", "secretKey": "k"}
AUTHENTICATED = {"config": {"mode": "authenticated", "auth": {"homeserver_url": "http://hs"}}}
MEMORY = {"store": "memory", "replicas": 1}
DOCTOR = {"doctor": {"enabled": True}}
ETAG_DIALECT = {"config": {"msc4108": {"enabled": True}, "http": {"public_base_url": "https://a"}}}
TWO_HOMESERVERS = {"config": {"msc4108": {"enabled": True}, "auth": {
    "homeserver": [{"host": [host], "public_base_url": f"https://{host}"} for host in ("a", "b")]}}}  # fmt: skip


def bundled(maxmemory_mib, memory_limit="4Gi", storage_size="4Gi", **other_values):
    """Values with the bundled Redis."""
    sizes = {"resources": {"limits": {"memory": memory_limit}}, "storage": {"size": storage_size}}
    return {"redis": {"host": "", "bundled": {"enabled": True, "maxmemoryMiB": maxmemory_mib, **sizes}}, **other_values}


def auth(**settings):
    """Values with these settings of config.auth."""
    return {"config": {"auth": settings}}


def max_live(sessions):
    """Values with this limit on live sessions."""
    return {"config": {"session": {"max_live": sessions}}}


CASES = [
    *kubernetes.CASES,
    ({}, []),
    ({"image": {"repository": ""}}, ["image.repository"]),
    ({"enabled": True, "global": {"a": 1}}, []),
    ({"enabled": False}, ["enabled: "]),
    # The session store.
    ({**MEMORY, "redis": NO_HOST}, []),
    ({"store": "memory", "redis": NO_HOST}, ["store: "]),
    ({"store": "memory", "redis": NO_HOST, "replicas": 1, "autoscaling": {"enabled": True}}, ["store: "]),
    (MEMORY, ['store: "memory" does not use redis.host$']),
    *(({**MEMORY, "redis": which}, [f'store: "memory" does not use {name}$'])
      for name, which in (("redis.url", URL), ("redis.bundled.enabled", BUNDLED))),
    *(({**MEMORY, "redis": {**NO_HOST, **setting}}, [f'store: "memory" does not use {name}$']) for name, setting in REDIS_SETTINGS.items()),
    ({**MEMORY, "redis": {**NO_HOST, "tls": {"ca": CA}}}, ['store: "memory" does not use redis.tls.ca$']),
    ({**MEMORY, "redis": {**NO_HOST, "tls": {"certificateSecret": "s"}}}, ['store: "memory" does not use redis.tls.certificateSecret$']),
    *(({**MEMORY, "redis": NO_HOST, "networkPolicy": {"redis": policy}}, [f'store: "memory" does not use {name}$']) for policy, name in REDIS_POLICIES),
    # The token verifier and the homeservers.
    ({"config": {"mode": "authenticated"}}, ["config.mode"]),
    ({"config": {"mode": "authenticated", "auth": {"homeserver_url": "http://hs"}}}, []),
    ({"config": {"mode": "authenticated", "auth": {"introspection": {"endpoint": "http://hs"}}}, **CLIENT_SECRET}, []),
    (auth(introspection={"endpoint": "http://hs"}), ["introspectionClientSecret: required"]),
    (auth(introspection={"client_id": "c"}), ["config.auth.introspection.client_id"]),
    (CLIENT_SECRET, ["introspectionClientSecret: has no effect"]),
    ({**auth(introspection={"endpoint": "http://hs"}, homeserver_url="http://hs"), **CLIENT_SECRET}, ["config.auth.introspection.endpoint"]),
    (auth(homeserver=[{"host": ["a"], "mode": "authenticated"}]), ["config.auth.homeserver[0].mode"]),
    (auth(homeserver=[{"host": ["a"]}, {"host": ["b"], "mode": "authenticated"}]), ["config.auth.homeserver[1].mode"]),
    (auth(homeserver=[{"host": ["a"], "mode": "authenticated", "homeserver_url": "http://hs"}]), []),
    ({"config": {"mode": "authenticated", "auth": {"homeserver": [{"host": ["a"], "mode": "open"}]}}}, []),
    ({"config": {"mode": "authenticated", "auth": {"homeserver": [{"host": ["a"]}]}}}, ["config.auth.homeserver[0].mode"]),
    (auth(homeserver=[{"host": ["a", "b"]}, {"host": ["c", "B"]}]), ["config.auth.homeserver[1].host: B"]),
    (auth(homeserver=[{"host": ["a", "a."]}]), ["config.auth.homeserver[0].host: a."]),
    (auth(homeserver=[{"host": ["a"]}, {"host": ["b"]}]), []),
    (auth(homeserver=[{"host": ["a"]}], homeserver_url="http://hs"), ["config.auth.homeserver_url"]),
    ({**auth(homeserver=[{"host": ["a"]}], introspection={"endpoint": "http://hs"}), **CLIENT_SECRET}, ["config.auth.introspection"]),
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
    ({"ca": CA, "tls": {"certificateSecret": "s"}}, []),
    ({"ca": CA, **auth(homeserver_url="http://hs")}, []),
    # The access token of helm test.
    ({"tests": {"token": TOKEN}}, ["tests.token: has no effect unless"]),
    ({"tests": {"token": TOKEN, "enabled": False}, **AUTHENTICATED}, ["tests.token: has no effect without tests.enabled"]),
    ({"tests": {"token": TOKEN}, **AUTHENTICATED}, []),
    *(({"tests": {"token": TOKEN}, **auth(homeserver=[{"host": ["a"], "mode": mode, "homeserver_url": "http://hs"}])}, expected)
      for mode, expected in (("authenticated", []), ("off", ["tests.token: has no effect unless"]))),
    # The kind of Redis.
    ({"redis": NO_HOST}, ["redis: set one of"]),
    ({"redis": {"bundled": {"enabled": True}}}, ["redis: redis.bundled.enabled and redis.host"]),
    ({"redis": {"url": {"value": "redis://h"}}, **REDIS_PORTS}, ["redis: redis.host and redis.url"]),
    ({"redis": URL}, ["networkPolicy.redis.ports"]),
    ({"redis": URL, "networkPolicy": {"enabled": False}}, []),
    ({"redis": {**URL, "tls": {"enabled": True, "ca": CA}}, **REDIS_PORTS}, []),
    ({"redis": {**URL, "tls": {"enabled": True}}, **REDIS_PORTS}, ["redis.tls.enabled"]),
    *(({"redis": {**URL, **setting}, **REDIS_PORTS}, [f"redis.url: replaces all other Redis values, and does not use {name}$"])
      for name, setting in REDIS_SETTINGS.items() if name != "redis.tls.enabled"),
    ({"redis": {"tls": {"ca": CA}}}, ["redis.tls.ca"]),
    ({"redis": {"tls": {"ca": CA, "enabled": True}}}, []),
    ({"redis": {"tls": {"certificateSecret": "s"}}}, ["redis.tls.certificateSecret"]),
    ({"redis": {"tls": {"certificateSecret": "s", "enabled": True}}}, []),
    ({"redis": {"nodes": ["h:1"]}}, ["redis.nodes"]),
    ({"redis": {"nodes": ["h:1"], "topology": "cluster"}}, []),
    ({"redis": {"topology": "cluster", "db": 1}}, ["redis.db"]),
    ({"redis": {"topology": "sentinel", "db": 1, "sentinel": {"service": "s", "username": "u", "password": PASSWORD}}}, []),
    *(({"redis": {"topology": topology, **setting}}, [name + ": has no effect"]) for topology in ("standalone", "cluster")
      for name, setting in REDIS_SETTINGS.items() if name.startswith("redis.sentinel.")),
    ({"redis": {**BUNDLED, "password": PASSWORD}}, []),
    ({"redis": {**BUNDLED, "tls": {"ca": CA}}}, ["redis.tls.ca"]),
    *(({"redis": {**BUNDLED, **setting}}, [f"redis.bundled: is one node without TLS on a fixed port, and does not use {name}$"])
      for name, setting in REDIS_SETTINGS.items() if name != "redis.password"),
    *(({"redis": BUNDLED, "networkPolicy": {"redis": policy}}, [f"redis.bundled: is one node without TLS on a fixed port, and does not use {name}$"])
      for policy, name in REDIS_POLICIES),
    # Memory of the bundled Redis: 7 KiB per session are 68.4 MiB for 10,000 sessions, which the server requires in full
    # (startup_check.rs).
    (bundled(68), ["redis.bundled.maxmemoryMiB: config.session.max_live requires at least 69"]),
    (bundled(69), []),
    (bundled(683, **max_live(100000)), ["redis.bundled.maxmemoryMiB: config.session.max_live requires at least 684"]),
    (bundled(684, **max_live(100000)), []),
    (bundled(7, **max_live(1024)), []),
    (bundled(200, "399Mi"), ["redis.bundled.resources.limits.memory"]),
    (bundled(200, "400Mi"), []),
    (bundled(513, storage_size="1Gi"), ["redis.bundled.storage.size"]),
    (bundled(512, storage_size="1Gi"), []),
    (bundled(513, "1Gi"), ["redis.bundled.resources.limits.memory"]),
    (bundled(512, "1Gi"), []),
    # The doctor.
    (DOCTOR, ["doctor.enabled: requires config.msc4108.enabled"]),
    ({**DOCTOR, **ETAG_DIALECT}, []),
    ({**DOCTOR, **TWO_HOMESERVERS}, ["doctor.server: required"]),
    *(({"doctor": {"enabled": True, **setting}, **TWO_HOMESERVERS}, []) for setting in ({"server": "example.org"}, {"inside": True})),
    *(({"doctor": {key: value}}, [f"doctor.{key}: has no effect"])
      for key, value in (("server", "example.org"), ("inside", True), ("schedule", "@daily"))),
    # Several errors at once.
    ({"image": {"repository": ""}, "store": "memory", "redis": NO_HOST, "config": {"mode": "authenticated", "msc4108": {"enabled": True}}},
     ["image.repository", "store: ", "config.mode", "config.http.public_base_url"]),
]  # fmt: skip
# Values that the schema rejects, and a word that the message must contain.
REJECTED_BY_SCHEMA = [
    *kubernetes.REJECTED_BY_SCHEMA,
    ({"replica": 3}, "replica"),
    *(({"tests": {"token": token}}, "token") for token in ({"value": 1}, {"value": ""}, {"secret": "s"})),
    ({"config": {"mod": "open"}}, "mod"),
    ({"config": {"limits": {"create": {"clients": {"burst": 1}}}}}, "clients"),
    ({"config": {"store": {"redis": {"url": "redis://h"}}}}, "url"),
    ({"config": {"mode": "public house"}}, "mode"),
    (auth(homeserver=[{"host": ["a"], "introspection": {"endpoint": "http://hs"}}]), "introspection"),
    (auth(homeserver=[{"mode": "open"}]), "host"),
    *(({"config": {"http": {"trusted_proxies": [range_]}}}, "trusted_proxies") for range_ in kubernetes.NOT_A_RANGE),
    *(({"config": {"limits": {"deny": {key: ["10.0.0.0/99"]}}}}, key) for key in ("create", "requests")),
    ({"redis": {"password": {"value": "a", "secret": "b", "secretKey": "c"}}}, "password"),
    ({"redis": {"password": {"secret": "b"}}}, "password"),
    *(({"redis": {"password": {"value": value}}}, "password") for value in ("", " ", "p ", " p", "p\n", "p q\t")),
    ({"redis": {"topology": "sentinel", "sentinel": {"service": ""}}}, "service"),
    *(({"image": {"repository": name}}, "repository") for name in ("r:1", "r.example.org/r:1", "r@sha256", "r r")),
    *((values, "tag") for values in ({"tests": {"image": {"tag": ""}}}, {"redis": {"bundled": {"image": {"tag": ""}}}})),
    ({"redis": {"tls": None}}, "tls"),
    ({"redis": {"bundled": {"storage": {"size": "1G"}}}}, "size"),
    ({"redis": {"tls": {"ca": {"secret": "b"}}}}, "ca"),
    ({"ca": {"configMap": "c", "key": "k"}}, "ca"),
    ({"redis": {"nodes": ["h"]}}, "nodes"),
    ({"redis": {"nodes": ["fd00::1:6379"]}}, "nodes"),
    *(({"redis": {"host": host}}, "host") for host in ("redis:6379", "fd00::1", "redis://redis", "user@redis", "redis/2")),
    ({"redis": {"bundled": {"resources": {"limits": {"memory": "1G"}}}}}, "memory"),
    ({"tests": {"image": {"repo": "x"}}}, "repo"),
    *(({"doctor": {"server": server}}, "server") for server in ("example.org/path", "-example.org", "https://u@a", "ftp://a", "two words")),
    *(({"doctor": {"schedule": schedule}}, "schedule") for schedule in ("60s", "* * * *", "daily")),
    ({"doctor": {"interval": 60}}, "interval"),
]  # fmt: skip
# Valid values that resemble those that the schema rejects.
VALID = [
    *kubernetes.VALID,
    ({"redis": {"host": "[fd00::1]"}}, []),
    ({"config": {"http": {"trusted_proxies": ["10.0.0.1", "::1", *kubernetes.RANGES]}, "limits": {"deny": {"create": kubernetes.RANGES}}}}, []),
    *(({"image": {"repository": name}}, []) for name in ("r", "r.example.org:5000/some/r", "some/r")),
    ({"probes": {"readiness": {"successThreshold": 2}}, "config": {"session": {"ttl": "1m30s"}}}, []),
    *(({"redis": {"password": {"value": value}}}, []) for value in ("p", "p q", "p\nq")),
    ({"redis": {"host": "[fd00::1]", "topology": "cluster", "nodes": ["[fd00::2]:6379", "redis-2.redis:6379"]}}, []),
    *(({"doctor": {"enabled": True, "server": server, "schedule": "0 */2 * * 1-5"}, **ETAG_DIALECT}, [])
      for server in ("example.org:8448", "[fd00::1]", "https://a.example.org/matrix", "http://a:8080")),
]


def render(values):
    """Yields the name of each Helm version, and its error output, or None if the values render."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as good, tempfile.NamedTemporaryFile("w", suffix=".yaml") as overrides:
        yaml.safe_dump(GOOD, good)
        yaml.safe_dump(values, overrides)
        good.flush()
        overrides.flush()
        command = [HELM3, "template", "rel", CHART, "--kube-version", "1.37.0", "-f", good.name, "-f", overrides.name]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        yield "Helm 3", result.stdout + result.stderr if result.returncode else None
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                helm4.render(CHART, "ns", "rel", good.name, overrides.name)
            yield "Helm 4", None
        except helm4.helm_python.HelmError as error:
            yield "Helm 4", str(error)


def matches(output, expected):
    """True if the output has exactly one line for each expected error, or is None and none is expected."""
    lines = [line[2:] for line in (output or "").splitlines() if line.startswith("- ")]
    if bool(output) != bool(expected) or len(lines) != len(expected):
        return False
    return all(any(f"{line}$".startswith(beginning) for line in lines) for beginning in expected)


errors = []
for values, expected in CASES + VALID:
    for helm, output in render(values):
        if not matches(output, expected):
            errors.append(f"{helm}, {values}: expected {expected or 'no error'}, found {output}")
for values, word in REJECTED_BY_SCHEMA:
    for helm, output in render(values):
        if not output or word not in output or "Invalid values" in output:
            errors.append(f"{helm}, {values}: the schema should reject {word}: {output}")
print(f"{len(CASES + VALID)} cases of validation, {len(REJECTED_BY_SCHEMA)} values that the schema rejects")
sys.exit("\n".join(errors) or 0)
