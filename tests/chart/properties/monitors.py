"""Monitors scrape /metrics by the port admin, of this namespace alone, and no longer than until the next time."""

ENDPOINTS = {"ServiceMonitor": "endpoints", "PodMonitor": "podMetricsEndpoints"}


def seconds(period):
    return int(period.removesuffix("s"))


def check(workload, objects):
    if workload["kind"] != "Deployment":
        return
    for of in objects:
        if of["kind"] not in ENDPOINTS:
            continue
        spec = of["spec"]
        [endpoint] = spec[ENDPOINTS[of["kind"]]]
        if (endpoint["port"], endpoint["path"]) != ("admin", "/metrics"):
            yield f"{of['kind']} scrapes {endpoint}"
        if seconds(endpoint["scrapeTimeout"]) > seconds(endpoint["interval"]):
            yield f"{of['kind']} waits longer than its interval, which Prometheus refuses: {endpoint}"
        if spec["namespaceSelector"] != {"matchNames": [of["metadata"]["namespace"]]}:
            yield f"{of['kind']} looks into {spec['namespaceSelector']}"
        # One of ci/*-values.yaml is for an operator that looks for it.
        if of["metadata"]["labels"].get("release") != "prometheus":
            yield f"{of['kind']} has not the label by which it is found"
