"""Monitors scrape /metrics on the port admin, in their own namespace only, with a timeout no longer than the interval."""

ENDPOINTS = {"ServiceMonitor": "endpoints", "PodMonitor": "podMetricsEndpoints"}


def seconds(duration):
    return int(duration.removesuffix("s"))


def check(workload, objects):
    if workload["kind"] != "Deployment":
        return
    for item in objects:
        kind = item["kind"]
        if kind not in ENDPOINTS:
            continue
        spec = item["spec"]
        [endpoint] = spec[ENDPOINTS[kind]]
        if (endpoint["port"], endpoint["path"]) != ("admin", "/metrics"):
            yield f"{kind} scrapes {endpoint}"
        if seconds(endpoint["scrapeTimeout"]) > seconds(endpoint["interval"]):
            yield f"{kind} has a timeout longer than its interval, which Prometheus rejects: {endpoint}"
        if spec["namespaceSelector"] != {"matchNames": [item["metadata"]["namespace"]]}:
            yield f"{kind} selects the namespaces {spec['namespaceSelector']}"
        # Set in ci/monitoring-scaling-values.yaml.
        if item["metadata"]["labels"].get("release") != "prometheus":
            yield f"{kind} lacks the label by which Prometheus selects it"
