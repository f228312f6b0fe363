"""Kubernetes waits longer than the process takes to leave, and a deploy never has fewer than there should be."""

import tomllib

from objects import find, template


def check(workload, objects):
    spec = template(workload)["spec"]
    waits = spec.get("terminationGracePeriodSeconds", 0 if workload["kind"] != "Pod" else 1)
    if not waits:
        yield "says not how long it may take to leave"
    if workload["kind"] != "Deployment":
        return
    config = find(objects, "ConfigMap", workload["metadata"]["name"])["data"]["matrix-rendezvous.toml"]
    clocks = tomllib.loads(config)["shutdown"]
    if waits <= sum(int(clocks[clock].removesuffix("s")) for clock in ("grace", "drain")):
        yield f"is killed after {waits} s, while {clocks}"
    if workload["spec"]["strategy"].get("rollingUpdate", {}).get("maxUnavailable") != 0:
        yield "a deploy takes one away before its successor is ready"
