"""Kubernetes waits longer than the process takes to leave, and a deploy never has fewer than there should be."""

from rendered_objects import config_of, template

# What ci/*-values.yaml say of them, else the chart's own: grace, and drain.
CLOCKS = [("10s", "20s"), ("15s", "30s"), ("60s", "120s")]


def check(workload, objects):
    spec = template(workload)["spec"]
    waits = spec.get("terminationGracePeriodSeconds", 0 if workload["kind"] != "Pod" else 1)
    if not waits:
        yield "says not how long it may take to leave"
    if workload["kind"] == "StatefulSet" and waits < 10:
        yield f"gives Redis {waits} s to write its AOF"
    if workload["kind"] != "Deployment":
        return
    clocks = config_of(objects, workload["metadata"]["name"])["shutdown"]
    if (clocks["grace"], clocks["drain"]) not in CLOCKS:
        yield f"its clocks are {clocks}"
    # 5 s for the last batch of traces, and 5 s for what a node is late.
    least = 10 + sum(int(clocks[clock].removesuffix("s")) for clock in ("grace", "drain"))
    if waits != least:
        yield f"is killed after {waits} s, while {clocks}"
    strategy = workload["spec"]["strategy"]
    if strategy["type"] != "RollingUpdate" or strategy["rollingUpdate"] != {"maxUnavailable": 0, "maxSurge": 1}:
        yield f"a deploy takes one away before its successor is ready: {strategy}"
    # A deploy of which nothing becomes ready is told to have failed, in minutes; what it replaced is kept to go back to.
    if workload["spec"].get("progressDeadlineSeconds") != 300 or workload["spec"].get("revisionHistoryLimit") != 3:
        yield f"a deploy fails after {workload['spec'].get('progressDeadlineSeconds')} s"
