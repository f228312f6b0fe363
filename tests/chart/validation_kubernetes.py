"""Cases of validation.py for the values of Kubernetes objects. Each list has the form of the list of the same name there."""

AUTOSCALING = {"autoscaling": {"enabled": True}}
CUSTOM_METRIC = {"name": "m", "averageValue": 3}
RANGES = ["10.0.0.0/8", "192.0.2.255/32", "0.0.0.0/0", "fd00::/8", "::/0", "2001:db8::1/128", "::ffff:10.0.0.0/104"]
NOT_A_RANGE = ["10.0.0.0/99", "10.0.0.0/33", "fd00::/129", "256.0.0.0/8", "10.0.0/8", "10.0.0.0/", "ingress-nginx", ""]

REGISTRIES = ["", "mirror", "localhost:5000", "mirror.example.org:5000/proxy/docker.io"]
NOT_A_REGISTRY = ["https://mirror.example.org", "mirror.example.org/", "user@mirror.example.org"]

CONTAINER = {"name": "a", "image": "a:1"}
MEMORY = {"store": "memory", "replicas": 1, "redis": {"host": ""}}

TLS_CONFIG = {"insecureSkipVerify": True}

BALANCER = {"loadBalancerClass": "a", "loadBalancerSourceRanges": ["192.0.2.0/24"]}
ROUTE = {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["a"]}


def etag_dialect(timeout):
    """Values with the ETag dialect and this timeout of long polls."""
    return {"config": {"msc4108": {"enabled": True, "long_poll": {"timeout": timeout}}, "http": {"public_base_url": "https://a"}}}


ETAG_DIALECT = etag_dialect("2s")


def choose(host, invalid, valid):
    """Returns a template that evaluates to one of two texts: is the host valid?"""
    return "{{ if contains \" \" (tpl `" + host + "` .) }}" + invalid + "{{ else }}" + valid + "{{ end }}"


def url(host):
    return choose(host, "ftp://a", "https://a")


def range_(host):
    return choose(host, "10.0.0.0/1000", "10.0.0.0/8")


def templates(host):
    """Values that contain a template, by their names. `host` evaluates to a valid or an invalid host name."""
    return {
        "nameOverride": {"nameOverride": host, "fullnameOverride": "a"},
        "ingress.hosts": {"ingress": {"enabled": True, "hosts": ["b", host]}},
        "httpRoute.hostnames": {"httpRoute": {**ROUTE, "hostnames": [host]}},
        "redis.host": {"redis": {"host": host}},
        "redis.nodes": {"redis": {"topology": "cluster", "nodes": ["b:1", f"{host}:1"]}},
        "doctor.server": {"doctor": {"enabled": True, "server": host}, **ETAG_DIALECT},
        "config.http.public_base_url": {"config": {"http": {"public_base_url": url(host)}}},
        "config.auth.homeserver_url": {"config": {"auth": {"homeserver_url": url(host)}}},
        "config.auth.introspection.endpoint": {
            "config": {"auth": {"introspection": {"endpoint": url(host)}}}, "introspectionClientSecret": {"value": "s"}},
        "config.http.trusted_proxies": {"config": {"http": {"trusted_proxies": ["::1", range_(host)]}}},
        "config.limits.deny.create": {"config": {"limits": {"deny": {"create": [range_(host)]}}}},
        "config.limits.deny.requests": {"config": {"limits": {"deny": {"requests": [range_(host)]}}}},
        "config.telemetry.traces.endpoint": {"config": {"telemetry": {"traces": {"endpoint": url(host)}}}},
        "config.telemetry.metrics.endpoint": {"config": {"telemetry": {"metrics": {"endpoint": url(host)}}}},
    }  # fmt: skip


def rolling_update(**numbers):
    """Values with a rolling update."""
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": numbers}}


def policies(cidr):
    """Values for each place of networkPolicy that takes peers, with this address range."""
    peers = [{"ipBlock": {"cidr": cidr}}]
    places = ({key: peers} for key in ("clients", "scrapers"))
    destinations = ({key: {"to": peers}} for key in ("dns", "homeserver", "doctor", "redis"))
    rules = {"extraIngress": [{"from": peers}]}, {"extraEgress": [{"to": peers}]}
    return [{"networkPolicy": place} for place in (*places, *destinations, *rules)]


def gke(readiness_path="/readyz", kind="HealthCheckPolicy", **http):
    """Values with the health check of a load balancer of GKE."""
    http |= {"readiness_path": readiness_path} if readiness_path else {}
    return {"healthCheck": {"gke": {"enabled": True, "kind": kind}}, "config": {"http": http}}


def readiness(**numbers):
    """Values with these numbers of the readiness probe."""
    return {"probes": {"readiness": numbers}}


NOT_A_PATH = ["", "readyz", "/readyz?verbose", "/a b", "https://a/readyz"]
BACKEND_CONFIG = {"service": {"annotations": {"cloud.google.com/backend-config": "{}"}}}
ALB = {"annotations": {"alb.ingress.kubernetes.io/healthcheck-path": "/readyz"}}
READINESS_PATH = {"config": {"http": {"readiness_path": "/readyz"}}}

CASES = [
    # Health checks of cloud load balancers.
    *((gke(kind=kind), []) for kind in ("HealthCheckPolicy", "BackendConfig")),
    (gke(readiness_path=None), ["healthCheck.gke.enabled: requires config.http.readiness_path"]),
    ({**gke(proxy_protocol=True, trusted_proxies=["10.0.0.1"]), "tests": {"enabled": False}}, ["healthCheck.gke.enabled: must be false"]),
    (BACKEND_CONFIG, []),
    ({**gke(), **BACKEND_CONFIG}, []),
    ({**gke(kind="BackendConfig"), **BACKEND_CONFIG}, ["service.annotations: cloud.google.com/backend-config"]),
    ({**gke(), **readiness(timeoutSeconds=4)}, ["probes.readiness.timeoutSeconds"]),
    *(({**gke(), **readiness(**{key: 11})}, ["probes.readiness: successThreshold and"]) for key in ("successThreshold", "failureThreshold")),
    ({**gke(), **readiness(timeoutSeconds=3, failureThreshold=10)}, []),
    (readiness(timeoutSeconds=4, failureThreshold=11), []),
    *(({key: ALB}, [f"{key}.annotations: alb.ingress.kubernetes.io/healthcheck-path must be"]) for key in ("ingress", "service")),
    *(({key: ALB, "config": {"http": {"readiness_path": "/ready"}}}, [f"{key}.annotations: alb"]) for key in ("ingress", "service")),
    *(({key: ALB, **READINESS_PATH}, []) for key in ("ingress", "service")),
    ({"ingress": {"enabled": True}}, ["ingress.hosts"]),
    ({"httpRoute": {"enabled": True}}, ["httpRoute.parentRefs", "httpRoute.hostnames"]),
    ({"autoscaling": {"enabled": True, "minReplicas": 9}}, ["autoscaling.minReplicas"]),
    ({"autoscaling": {"enabled": True, "cpuUtilization": 0}}, ["autoscaling: requires"]),
    ({**AUTOSCALING, "resources": {"requests": {"cpu": None}}}, ["autoscaling.cpuUtilization: requires resources.requests.cpu"]),
    ({"autoscaling": {"enabled": True, "cpuUtilization": 0, "customMetric": CUSTOM_METRIC}, "resources": {"requests": {"cpu": None}}}, []),
    ({"resources": {"requests": {"cpu": None}}}, []),
    *(({"podDisruptionBudget": {"maxUnavailable": number}}, ["podDisruptionBudget.maxUnavailable: 0 blocks"]) for number in (0, "0%", "00%")),
    *(({"podDisruptionBudget": {"maxUnavailable": number}}, []) for number in (2, "10%", "100%")),
    ({"podDisruptionBudget": {"enabled": False, "maxUnavailable": 0}}, []),
    ({"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}, ["podMonitor.enabled: must not be set together"]),
    *(({monitor: {"enabled": True, "tlsConfig": TLS_CONFIG}}, [f"{monitor}.tlsConfig: has no effect"]) for monitor in ("serviceMonitor", "podMonitor")),
    *(({monitor: {"enabled": True, "scheme": "https", "tlsConfig": TLS_CONFIG}}, []) for monitor in ("serviceMonitor", "podMonitor")),
    *(({monitor: {"enabled": True}}, []) for monitor in ("serviceMonitor", "podMonitor")),
    *(({**AUTOSCALING, key: [container]}, [f"{key}: a requires resources.requests.cpu"]) for key, container in (
        ("sidecars", CONTAINER), ("sidecars", {**CONTAINER, "resources": {"limits": {"cpu": 1}}}),
        ("initContainers", {**CONTAINER, "restartPolicy": "Always"}))),
    *(({**AUTOSCALING, key: [container]}, []) for key, container in (
        ("sidecars", {**CONTAINER, "resources": {"requests": {"cpu": 1}}}), ("initContainers", CONTAINER))),
    *(({key: [{**CONTAINER, "name": "matrix-rendezvous"}]}, ["sidecars and initContainers: matrix-rendezvous"]) for key in ("sidecars", "initContainers")),
    ({"dnsPolicy": "None"}, ["dnsConfig.nameservers: required"]),
    ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.53"]}}, []),
    # The update strategy.
    *(({**MEMORY, **rolling_update(**numbers)}, ['updateStrategy: with store "memory"']) for numbers in (
        {"maxSurge": 1}, {"maxSurge": "25%"}, {"maxUnavailable": 1}, {})),
    *(({**MEMORY, **rolling_update(maxSurge=surge, maxUnavailable=1)}, []) for surge in (0, "0%")),
    ({**MEMORY, "updateStrategy": {"type": "Recreate"}}, []),
    (rolling_update(maxSurge=0, maxUnavailable="0%"), ["updateStrategy.rollingUpdate: maxSurge and maxUnavailable"]),
    *((rolling_update(**numbers), []) for numbers in ({}, {"maxSurge": 0}, {"maxUnavailable": 0}, {"maxSurge": "50%", "maxUnavailable": 0})),
    ({"updateStrategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}}, ["updateStrategy.rollingUpdate: has no effect"]),
    # Values that a template in them makes invalid.
    *((values, [f"{name}: its template evaluates to"]) for name, values in templates("{{ .Release.Name }} a").items()),
    *((values, []) for values in templates("{{ .Release.Name }}").values()),
    ({"fullnameOverride": "{{ .Release.Name }}.a"}, ["fullnameOverride: "]),
    ({"config": {"auth": {"homeserver": [{"host": ["a"]}, {"host": ["b"], "homeserver_url": "{{ .Release.Name }}"}]}}},
     ["config.auth.homeserver[1].homeserver_url: its"]),
    ({"serviceAccount": {"create": False}}, ["serviceAccount.name: required"]),
    ({"serviceAccount": {"name": "a"}}, ["serviceAccount.name: has no effect"]),
    ({"fullnameOverride": "mailbox", "prometheusRule": {"enabled": True}}, ["fullnameOverride"]),
    ({"fullnameOverride": "mailbox"}, []),
    *(({"fullnameOverride": name}, ["fullnameOverride"]) for name in ("2026", "-a")),
    ({"service": {"externalTrafficPolicy": "Local"}}, ["service.externalTrafficPolicy"]),
    ({"service": {"externalTrafficPolicy": "Local", "type": "NodePort"}}, []),
    *(({"service": {"type": type_, key: value}}, [f"service.{key}: requires service.type LoadBalancer"]) for type_ in ("ClusterIP", "NodePort")
      for key, value in BALANCER.items()),
    ({"service": {"type": "LoadBalancer", **BALANCER}}, []),
    ({"service": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]}}, ["service.ipFamilies: "]),
    *(({"service": {"ipFamilyPolicy": policy, "ipFamilies": families}}, []) for policy, families in (
        ("SingleStack", ["IPv6"]), ("RequireDualStack", ["IPv6", "IPv4"]), ("", ["IPv4"]))),
    *(({"httpRoute": {**ROUTE, "timeouts": {key: timeout}}, **dialect}, [f"httpRoute.timeouts.{key}: must be longer than"])
      for key in ("request", "backendRequest") for timeout, dialect in (("2s", ETAG_DIALECT), ("1s999ms", ETAG_DIALECT), ("1m", etag_dialect("2m")))),
    *(({"httpRoute": {**ROUTE, "timeouts": {"request": timeout}}, **dialect}, []) for timeout, dialect in (
        ("1s", {}), ("0s", ETAG_DIALECT), ("2001ms", ETAG_DIALECT), ("1m1s", etag_dialect("1m")), ("500ms", etag_dialect("0s")))),
    *(({"extraEnv": [{"name": name, "value": "v"}]}, [f"extraEnv: {name} must not be set here"]) for name in (
        "RENDEZVOUS_CONFIG", "RENDEZVOUS_AUTH__HOMESERVER__0__HOST", "RENDEZVOUS_HTTP__LISTEN", "RENDEZVOUS_ADMIN__LISTEN", "RENDEZVOUS_SHUTDOWN__GRACE",
        "RENDEZVOUS_STORE__BACKEND", "RENDEZVOUS_STORE__REDIS__URL", "RENDEZVOUS_STORE__REDIS__URL_FILE", "RENDEZVOUS_AUTH__CA_FILE",
        "RENDEZVOUS_AUTH__INTROSPECTION__CLIENT_SECRET", "RENDEZVOUS_STORE__REDIS__PASSWORD_FILE",
        "RENDEZVOUS_STORE__REDIS__SENTINEL_PASSWORD_FILE", "RENDEZVOUS_STORE__REDIS__CERT_FILE", "RENDEZVOUS_http__listen",
    )),
    *(({"extraEnv": [{"name": name, "value": "v"}]}, [f"extraEnv: {name} is not a key"]) for name in (
        "RENDEZVOUS_MAINTENENCE", "RENDEZVOUS_SESSION_TTL", "RENDEZVOUS_SESSION", "RENDEZVOUS_AUTH__HOMESERVER", "RENDEZVOUS_")),
    ({"extraEnv": [{"name": "RENDEZVOUS_session__ttl", "value": "200s"}, {"name": "OTHER_RENDEZVOUS_SETTING", "value": ""}]}, []),
    ({"extraEnv": [{"name": "RENDEZVOUS_MODE", "value": "off"}, {"name": "TZ", "value": "UTC"}]}, []),
]  # fmt: skip
REJECTED_BY_SCHEMA = [
    *(({"config": {"http": {"readiness_path": path}}}, "readiness_path") for path in NOT_A_PATH),
    *(({"healthCheck": {"gke": {key: value}}}, key) for key, value in (
        ("kind", "Ingress"), ("enabled", "yes"), ("sourceRanges", []), ("sourceRanges", ["10.0.0.1"]))),
    *(({"service": {key: value}}, key) for key, value in (
        ("ipFamilyPolicy", "DualStack"), ("ipFamilies", ["ipv4"]), ("ipFamilies", ["IPv4", "IPv4"]), ("trafficDistribution", "Close"),
        ("loadBalancerSourceRanges", ["10.0.0.0/99"]), ("loadBalancerSourceRanges", ["10.0.0.1"]))),
    *(({"httpRoute": {"timeouts": timeouts}}, "timeouts") for timeouts in ({"response": "1s"}, {"request": "1"}, {"request": 1}, {"request": "1.5s"})),
    *(({"serviceMonitor": {key: value}}, key) for key, value in (("scheme", "h2c"), ("namespace", "my.name"), ("relabelings", "a"), ("metricRelabelings", ["a"]))),
    *(({"updateStrategy": strategy}, "updateStrategy") for strategy in (
        {"type": "Rolling"}, {"rollingUpdate": {}}, {"type": "RollingUpdate", "maxSurge": 1})),
    ({"minReadySeconds": 300}, "minReadySeconds"),
    ({"revisionHistoryLimit": -1}, "revisionHistoryLimit"),
    *(({key: [{"name": "a"}]}, "image") for key in ("sidecars", "initContainers")),
    *(({"extraEnvFrom": [source]}, key) for key, source in (("secret", {"secret": "s"}), ("name", {"secretRef": {"key": "k"}}))),
    ({"hostAliases": [{"ip": "192.0.2.1"}]}, "hostnames"),
    ({"dnsPolicy": "Cluster"}, "dnsPolicy"),
    *(({"dnsConfig": {key: value}}, key) for key, value in (("servers", []), ("options", [{"name": "ndots", "value": 1}]))),
    *((values, key) for name in NOT_A_REGISTRY for key, values in (
        ("imageRegistry", {"global": {"imageRegistry": name}}), ("registry", {"image": {"registry": name}}),
        ("registry", {"tests": {"image": {"registry": name}}}), ("registry", {"redis": {"bundled": {"image": {"registry": name}}}}))),
    *(({"networkPolicy": {"dns": {key: []}}}, key) for key in ("to", "ports")),
    *(({"ingress": {"hosts": [host]}}, "hosts") for host in ("https://a.example.org", "", "a.example.org:443", "a/b")),
    ({"httpRoute": {"hostnames": ["https://a.example.org"]}}, "hostnames"),
    *(({"probes": {probe: {"successThreshold": 2}}}, "successThreshold") for probe in ("startup", "liveness")),
    *(({key: "my.name"}, key) for key in ("nameOverride", "fullnameOverride")),
    ({"autoscaling": None}, "autoscaling"),
    ({"autoscaling": {"customMetric": {"name": "m"}}}, "customMetric"),
    ({"probes": {"readiness": {"httpGet": {}}}}, "readiness"),
    ({"shutdown": {"graceSeconds": "5s"}}, "graceSeconds"),
    ({"service": {"ports": 1}}, "ports"),
    ({"networkPolicy": {"from": []}}, "from"),
    *((values, "cidr") for values in policies("10.0.0.0/99")),
    *((policies(text)[0], "cidr") for text in (*NOT_A_RANGE, "10.0.0.1", "fd00::1")),
    ({"networkPolicy": {"clients": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/99"]}}]}}, "except"),
    *(({"networkPolicy": {"clients": [peer]}}, key) for key, peer in (
        ("podselector", {"podselector": {}}), ("cidr", {"ipBlock": {}}), ("range", {"ipBlock": {"cidr": "10.0.0.0/8", "range": 1}}))),
    *(({"extraEnv": [{"name": "TZ", "value": value}]}, "value") for value in (True, 5, 1.5, None)),
    ({"extraEnv": [{"name": "TZ", "values": "UTC"}]}, "values"),
    ({"extraEnv": [{"value": "UTC"}]}, "name"),
    *(({"podDisruptionBudget": {"maxUnavailable": number}}, "maxUnavailable") for number in (-1, "1", "half")),
]  # fmt: skip
VALID = [
    ({"global": {"path": "/readyz"}, **gke("{{ .Values.global.path }}")}, []),
    *((values, []) for name in REGISTRIES for values in ({"global": {"imageRegistry": name, "other": 1}}, {"image": {"registry": name}})),
    *((values, []) for cidr in RANGES for values in policies(cidr)[:1]),
    *((values, []) for values in policies("10.0.0.0/8")),
    ({"extraEnv": [{"name": "TZ", "value": ""}, {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}, []),
    ({"ingress": {"enabled": True, "hosts": ["*.example.org", "a.example.org"]}}, []),
    ({"autoscaling": {"enabled": True, "customMetric": {"name": "m", "averageValue": 3}}}, []),
]  # fmt: skip
