"""Kubernetes waits longer than the shutdown of the process takes, and a rollout never has fewer pods than desired."""

from rendered_objects import config_of, is_server, template

# shutdown.grace and shutdown.drain: the chart's defaults, and those in ci/*-values.yaml.
SHUTDOWN_TIMES = [("10s", "20s"), ("15s", "30s"), ("60s", "120s")]
# Seconds: 5 to export the last batch of traces, and 5 for a slow node.
MARGIN = 10


def check(workload, objects):
    spec = template(workload)["spec"]
    grace_period = spec.get("terminationGracePeriodSeconds", 0)
    if not grace_period and workload["kind"] != "Pod":
        yield "has no terminationGracePeriodSeconds"
    if workload["kind"] == "StatefulSet" and grace_period < 10:
        yield f"gives Redis only {grace_period} s to write its AOF"
    if not is_server(workload):
        return
    times = config_of(objects, workload["metadata"]["name"])["shutdown"]
    if (times["grace"], times["drain"]) not in SHUTDOWN_TIMES:
        yield f"has the shutdown times {times}"
    required = MARGIN + sum(int(times[key].removesuffix("s")) for key in ("grace", "drain"))
    if grace_period != required:
        yield f"is killed after {grace_period} s, and not after {required} s, with the shutdown times {times}"
    strategy = workload["spec"]["strategy"]
    if strategy["type"] != "RollingUpdate" or strategy["rollingUpdate"] != {"maxUnavailable": 0, "maxSurge": 1}:
        yield f"a rollout terminates a pod before its successor is ready: {strategy}"
    # Kubernetes reports a rollout without a ready pod as failed within minutes, and keeps revisions for a rollback.
    if workload["spec"].get("progressDeadlineSeconds") != 300 or workload["spec"].get("revisionHistoryLimit") != 3:
        yield (f"has progressDeadlineSeconds {workload['spec'].get('progressDeadlineSeconds')} and "
               f"revisionHistoryLimit {workload['spec'].get('revisionHistoryLimit')}")  # fmt: skip
