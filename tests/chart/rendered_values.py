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
HARDENED = {
    "allowPrivilegeEscalation": False, "privileged": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
}  # fmt: skip
MEMORY = {"store": "memory", "replicas": 1, "redis": {"bundled": {"enabled": False}}}
ROLLING_UPDATE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
POD = "spec.template.spec"
NAME = "{{ .Release.Name }}-x"  # evaluates to rel-x
HOST = {"global": {"host": "a.example.org"}}
GLOBAL_HOST = "{{ .Values.global.host }}"
EXISTING = {"secret": NAME, "secretKey": "k"}
CONFIG_MAP = {"configMap": NAME, "configMapKey": "k"}
BY_HOST = {"bundled": {"enabled": False}, "host": "{{ .Release.Name }}-redis", "topology": "cluster", "nodes": ["{{ .Release.Name }}-1:6380"],
           "password": EXISTING, "tls": {"enabled": True, "ca": CONFIG_MAP, "certificateSecret": NAME}}  # fmt: skip
RUNBOOKS = {"prometheusRule": {"enabled": True, "runbookBaseUrl": f"https://{GLOBAL_HOST}/"}}
TOML = """http.public_base_url = "https://a.example.org"
http.trusted_proxies = []
limits.max_keys = 1000000
mode = "open"
msc4108.enabled = true
shutdown.drain = "20s"
shutdown.grace = "10s"
store.backend = "redis"
store.redis.ca_file = "/run/ca/redis/ca.pem"
store.redis.cert_file = "/run/certificates/redis/tls.crt"
store.redis.key_file = "/run/certificates/redis/tls.key"
store.redis.password_file = "/run/secrets/redis-password/password"
store.redis.url = "rediss-cluster://rel-redis:6379?node=rel-1:6380"
telemetry.log_format = "json"
"""
TEMPLATE_CASES = [
    ({"extraEnv": [{"name": "A", "value": NAME}]}, SERVER, f"{POD}.containers.0.env.3.value", "rel-x"),
    ({"extraEnvFrom": [{"secretRef": {"name": NAME}}]}, SERVER, f"{POD}.containers.0.envFrom.0.secretRef.name", "rel-x"),
    ({"initContainers": [{"name": "a", "image": NAME}]}, SERVER, f"{POD}.initContainers.0.image", "rel-x"),
    ({"sidecars": [{"name": "a", "image": "i", "args": [NAME], "ports": [{"containerPort": 9000}]}]}, SERVER, f"{POD}.containers.1",
     {"name": "a", "image": "i", "args": ["rel-x"], "ports": [{"containerPort": 9000}]}),
    ({"extraVolumes": [{"name": "a", "secret": {"secretName": NAME}}]}, SERVER, f"{POD}.volumes.1.secret.secretName", "rel-x"),
    ({"extraVolumeMounts": [{"name": "a", "mountPath": f"/{NAME}"}]}, SERVER, f"{POD}.containers.0.volumeMounts.1.mountPath", "/rel-x"),
    ({"image": {"pullSecrets": [{"name": NAME}]}}, REDIS, f"{POD}.imagePullSecrets.0.name", "rel-x"),
    ({"serviceAccount": {"create": False, "name": NAME}}, SERVER, f"{POD}.serviceAccountName", "rel-x"),
    ({"redis": {"password": EXISTING}}, REDIS, f"{POD}.containers.0.env.0.valueFrom.secretKeyRef.name", "rel-x"),
    ({"redis": BY_HOST}, SERVER, f"{POD}.volumes.1.secret.secretName", "rel-x"),
    ({"redis": BY_HOST}, SERVER, f"{POD}.volumes.2.configMap.name", "rel-x"),
    ({"redis": BY_HOST}, SERVER, f"{POD}.volumes.3.secret.secretName", "rel-x"),
    ({"redis": BY_HOST}, "NetworkPolicy/rel-matrix-rendezvous", "spec.egress.1.ports", [{"port": port, "protocol": "TCP"} for port in (6379, 6380)]),
    ({"redis": {"bundled": {"enabled": False}, "url": {"value": "redis://{{ .Release.Name }}-redis"}}, "networkPolicy": {"enabled": False}},
     "Secret/rel-matrix-rendezvous", "data.redis-url", "cmVkaXM6Ly9yZWwtcmVkaXM="),
    ({"fullnameOverride": "{{ .Release.Name }}-y"}, "Deployment/rel-y", "metadata.name", "rel-y"),
    ({"nameOverride": "{{ .Release.Name }}-y"}, "Deployment/rel-rel-y", "spec.selector.matchLabels",
     {"app.kubernetes.io/name": "rel-y", "app.kubernetes.io/instance": "rel", "app.kubernetes.io/component": "server"}),
    *(({**HOST, "ingress": {"enabled": True, "className": "{{ .Release.Name }}", "hosts": [GLOBAL_HOST],
                            "tls": [{"hosts": [GLOBAL_HOST], "secretName": NAME}]}},
       "Ingress/rel-matrix-rendezvous", path, expected) for path, expected in (
           ("spec.rules.0.host", "a.example.org"), ("spec.tls", [{"hosts": ["a.example.org"], "secretName": "rel-x"}]), ("spec.ingressClassName", "rel"))),
    *(({**HOST, "httpRoute": {"enabled": True, "hostnames": [GLOBAL_HOST], "parentRefs": [{"name": NAME}]}}, "HTTPRoute/rel-matrix-rendezvous", path, expected)
      for path, expected in (("spec.hostnames", ["a.example.org"]), ("spec.parentRefs", [{"name": "rel-x"}]))),
    ({**HOST, **RUNBOOKS}, "PrometheusRule/rel-matrix-rendezvous", "spec.groups.1.rules.0.annotations.runbook_url",
     "https://a.example.org/docs/operations.md#rendezvousstoredown"),
    ({**HOST, "config": {"http": {"public_base_url": f"https://{GLOBAL_HOST}:8448"}}}, DOCTOR, "spec.containers.0.args.1", "https://a.example.org:8448"),
    ({**HOST, "config": {"http": {"public_base_url": f"https://{GLOBAL_HOST}:8448"}}},
     "NetworkPolicy/rel-matrix-rendezvous-test", "spec.egress.2.ports.0.port", 8448),
    ({**HOST, "doctor": {"enabled": True, "server": f"{GLOBAL_HOST}:8448"}}, "Deployment/rel-matrix-rendezvous-doctor", f"{POD}.containers.0.args.5",
     "a.example.org:8448"),
    ({"config": {"auth": {"homeserver_url": "http://{{ .Release.Name }}-synapse:8008"}}, "ca": CONFIG_MAP},
     SERVER, f"{POD}.volumes.1.configMap.name", "rel-x"),
    ({"config": {"auth": {"homeserver_url": "http://{{ .Release.Name }}-synapse:8008"}}},
     "NetworkPolicy/rel-matrix-rendezvous", "spec.egress.2.ports.0.port", 8008),
    ({"tls": {"certificateSecret": NAME}}, SERVER, f"{POD}.volumes.1.secret.secretName", "rel-x"),
    ({**HOST, "redis": BY_HOST, "config": {"http": {"public_base_url": f"https://{GLOBAL_HOST}"}, "limits": {"max_keys": 1000000}}},
     "ConfigMap/rel-matrix-rendezvous",
     "data", {"matrix-rendezvous.toml": TOML}),
]  # fmt: skip
TWO_HOMESERVERS = {"config": {"http": {"public_base_url": None}, "auth": {"homeserver": [
    {"host": [host], "mode": "authenticated", "homeserver_url": "http://hs", "public_base_url": f"https://{host}"} for host in ("a", "b")]}}}  # fmt: skip
WITH_TOKEN = {**TWO_HOMESERVERS, "tests": {"token": {"value": "secret-token"}}}
TOKEN_MOUNT = {"name": "tests-token", "mountPath": "/run/secrets/tests-token", "readOnly": True}
CASES = [
    # The access token of helm test, which is that of a user of the first homeserver.
    (WITH_TOKEN, "Secret/rel-matrix-rendezvous", "data", {"tests-token": "c2VjcmV0LXRva2Vu"}),
    (WITH_TOKEN, DEVICES, "spec.containers.0.volumeMounts", [TOKEN_MOUNT]),
    (WITH_TOKEN, DOCTOR, "spec.containers.0.args", ["doctor", "--token-file", "/run/secrets/tests-token/token", "https://a"]),
    (WITH_TOKEN, DOCTOR, "spec.containers.0.volumeMounts", [TOKEN_MOUNT]),
    (WITH_TOKEN, DOCTOR, "spec.containers.1.args", ["doctor", "https://b"]),
    (WITH_TOKEN, DOCTOR, "spec.containers.1.volumeMounts", None),
    (WITH_TOKEN, "Pod/rel-matrix-rendezvous-test-service", "spec.containers.0.args.3", "--token-file"),
    (TWO_HOMESERVERS, DEVICES, "spec.volumes", None),
    *TEMPLATE_CASES,
    # The update strategy.
    ({}, SERVER, STRATEGY, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}),
    (MEMORY, SERVER, STRATEGY, {"type": "Recreate"}),
    *(({**values, "updateStrategy": strategy}, SERVER, STRATEGY, strategy)
      for values in ({}, MEMORY) for strategy in (ROLLING_UPDATE, {"type": "Recreate"})),
    # The security context of containers: values are merged with the defaults, and a null removes a key.
    *(({"securityContext": values}, name, path, expected)
      for name, path in ((SERVER, CONTEXT), (REDIS, CONTEXT), (DEVICES, "spec.containers.0.securityContext"))
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
    if not merged["config"]["http"]["public_base_url"]:
        del merged["config"]["http"]
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
