"""Kubernetes waits longer than the shutdown of the process takes. With Redis, a rollout never has fewer pods than desired. With the
memory store, it never has two pods, because they would not share their sessions."""

from rendered_objects import config_of, is_server, template

# shutdown.grace and shutdown.drain: the chart's defaults, and those in ci/*-values.yaml.
SHUTDOWN_TIMES = [("10s", "20s"), ("15s", "30s"), ("60s", "120s")]
# The chart's default, and that in ci/monitoring-scaling-values.yaml.
ROLLING_UPDATES = [{"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": surge}} for surge in (1, 2)]
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
    yield from check_rollout(workload["spec"], config_of(objects, workload["metadata"]["name"])["store"]["backend"])


def check_rollout(spec, store):
    strategy = spec["strategy"]
    expected = {"redis": ROLLING_UPDATES, "memory": [{"type": "Recreate"}]}[store]
    if strategy not in expected:
        yield f"with the store {store}, its strategy is {strategy}"
    # Kubernetes reports a rollout without a ready pod as failed within minutes, and keeps revisions for a rollback.
    found = spec.get("progressDeadlineSeconds"), spec.get("revisionHistoryLimit"), spec.get("minReadySeconds")
    if found not in ((300, 3, None), (300, 5, 5)):
        yield f"has progressDeadlineSeconds, revisionHistoryLimit and minReadySeconds {found}"
