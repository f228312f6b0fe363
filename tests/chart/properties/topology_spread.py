"""Server pods are spread over nodes and zones unless the values set other constraints, per ReplicaSet, and each constraint
counts these pods."""

from rendered_objects import is_server, template

DEFAULT_KEYS = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
KEYS_IN_VALUES = ["kubernetes.io/hostname"]  # set in ci/monitoring-scaling-values.yaml


def check(workload, objects):
    if not is_server(workload):
        return
    pod = template(workload)
    constraints = pod["spec"].get("topologySpreadConstraints", [])
    keys = [constraint["topologyKey"] for constraint in constraints]
    if keys not in (DEFAULT_KEYS, KEYS_IN_VALUES):
        yield f"has spread constraints for {keys}"
    for constraint in constraints:
        if not constraint["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items():
            yield f"its constraint for {constraint['topologyKey']} counts other pods"
        if keys == KEYS_IN_VALUES and constraint["whenUnsatisfiable"] != "DoNotSchedule":
            yield f"its constraint is not the one in the values: {constraint}"
        # Per ReplicaSet: if the pods that a deploy replaces also counted, new pods would pile up on one node.
        fields = (constraint.get("matchLabelKeys"), constraint["whenUnsatisfiable"], constraint["maxSkew"])
        if keys == DEFAULT_KEYS and fields != (["pod-template-hash"], "ScheduleAnyway", 1):
            yield f"its constraint is {constraint}"
