"""Monitors scrape /metrics of the server's port admin, or of the doctor's port metrics, in the namespace of the release only, with
a timeout no longer than the interval, and with all other fields of the values. The doctor's job has no "rendezvous" in its name,
which is that of the component."""

from rendered_objects import is_server

ENDPOINTS = {"ServiceMonitor": "endpoints", "PodMonitor": "podMetricsEndpoints"}
# As in ci/*-values.yaml.
NAMESPACE_IN_VALUES = "monitoring"
ENDPOINT_IN_VALUES = {
    "scheme": "https",
    "tlsConfig": {"insecureSkipVerify": True},
    "relabelings": [{"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}],
    "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "process_.*"}],
}


def seconds(duration):
    return int(duration.removesuffix("s"))


def check(workload, objects):
    if not is_server(workload):
        return
    for item in objects:
        kind = item["kind"]
        if kind not in ENDPOINTS:
            continue
        spec = item["spec"]
        [endpoint] = spec[ENDPOINTS[kind]]
        component = item["metadata"]["labels"]["app.kubernetes.io/component"]
        port, job = {"server": ("admin", None), "qr-doctor": ("metrics", "app.kubernetes.io/component")}[component]
        if spec.get("jobLabel") != job:
            yield f"{kind} of the {component} takes the name of its job from {spec.get('jobLabel')}"
        if (endpoint["port"], endpoint["path"]) != (port, "/metrics"):
            yield f"{kind} scrapes {endpoint}"
        if seconds(endpoint["scrapeTimeout"]) > seconds(endpoint["interval"]):
            yield f"{kind} has a timeout longer than its interval, which Prometheus rejects: {endpoint}"
        if {key: endpoint.get(key) for key in ENDPOINT_IN_VALUES} != ENDPOINT_IN_VALUES or item["metadata"]["namespace"] != NAMESPACE_IN_VALUES:
            yield f"{kind} in the namespace {item['metadata']['namespace']} has the endpoint {endpoint}"
        if spec["namespaceSelector"] != {"matchNames": [workload["metadata"]["namespace"]]}:
            yield f"{kind} selects the namespaces {spec['namespaceSelector']}"
        # Set in ci/monitoring-scaling-values.yaml.
        if item["metadata"]["labels"].get("release") != "prometheus":
            yield f"{kind} lacks the label by which Prometheus selects it"
