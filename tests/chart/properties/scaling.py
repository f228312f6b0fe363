"""An HPA scales this Deployment, which then says no number itself; a budget lets a node be drained."""

from rendered_objects import name_of


def check(workload, objects):
    if workload["kind"] != "Deployment":
        return
    name = workload["metadata"]["name"]
    scalers = [of["spec"] for of in objects if of["kind"] == "HorizontalPodAutoscaler"]
    if bool(scalers) == ("replicas" in workload["spec"]):
        yield "both an HPA and the Deployment say how many there are" if scalers else "nobody says how many there are"
    for spec in scalers:
        if spec["scaleTargetRef"] != {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}:
            yield f"an HPA scales {spec['scaleTargetRef']}"
        if not 2 <= spec["minReplicas"] <= spec["maxReplicas"]:
            yield f"an HPA scales from {spec['minReplicas']} to {spec['maxReplicas']}"
        # By then it is known whether those who came in a wave still sign in: a session lives for five minutes.
        if spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] < 300:
            yield "an HPA takes pods away while their sessions live"
        # As ci/*-values.yaml have them.
        cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}
        custom = {
            "metric": {"name": "rendezvous_http_requests_per_second"},
            "target": {"type": "AverageValue", "averageValue": "200"},
        }
        if spec["metrics"] != [{"type": "Resource", "resource": cpu}, {"type": "Pods", "pods": custom}]:
            yield f"an HPA scales by {spec['metrics']}"
    for of in (of for of in objects if of["kind"] == "PodDisruptionBudget"):
        if of["spec"]["maxUnavailable"] in (0, "0", "0%"):
            yield f"{name_of(of)} keeps every node from being drained"
        if of["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{name_of(of)} keeps a node from being drained for one that is not ready"
