"""If there is a HorizontalPodAutoscaler, it scales this Deployment, which then sets no replicas. A PodDisruptionBudget allows
nodes to be drained."""

from rendered_objects import is_server, name_of

# As in ci/monitoring-scaling-values.yaml.
CPU_METRIC = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}
CUSTOM_METRIC = {
    "metric": {"name": "rendezvous_http_requests_per_second"},
    "target": {"type": "AverageValue", "averageValue": "200"},
}
METRICS = [{"type": "Resource", "resource": CPU_METRIC}, {"type": "Pods", "pods": CUSTOM_METRIC}]


def check(workload, objects):
    if not is_server(workload):
        return
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload["metadata"]["name"]}
    autoscalers = [item["spec"] for item in objects if item["kind"] == "HorizontalPodAutoscaler"]
    has_replicas = "replicas" in workload["spec"]
    if autoscalers and has_replicas:
        yield "both the HPA and the Deployment set the number of replicas"
    if not autoscalers and not has_replicas:
        yield "neither an HPA nor the Deployment sets the number of replicas"
    for spec in autoscalers:
        if spec["scaleTargetRef"] != target:
            yield f"the HPA scales {spec['scaleTargetRef']}"
        if not 2 <= spec["minReplicas"] <= spec["maxReplicas"]:
            yield f"the HPA scales from {spec['minReplicas']} to {spec['maxReplicas']}"
        # A session lives for five minutes. After that time a short wave of sign-ins is over.
        if spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] < 300:
            yield "the HPA removes pods within the lifetime of a session"
        if spec["metrics"] != METRICS:
            yield f"the HPA scales by {spec['metrics']}"
    for item in objects:
        if item["kind"] != "PodDisruptionBudget":
            continue
        if item["spec"]["maxUnavailable"] in (0, "0", "0%"):
            yield f"{name_of(item)} blocks the drain of every node"
        if item["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{name_of(item)} blocks the drain of a node because of a pod that is not ready"
