"""Where several replicas run, they are spread: over nodes and zones unless the values say otherwise, each ReplicaSet for
itself, by constraints that count these pods."""

from rendered_objects import template

DEFAULT = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
OTHERWISE = ["kubernetes.io/hostname"]  # of ci/monitoring-scaling-values.yaml


def check(workload, objects):
    if workload["kind"] != "Deployment":
        return
    pod = template(workload)
    constraints = pod["spec"].get("topologySpreadConstraints", [])
    keys = [one["topologyKey"] for one in constraints]
    if keys not in (DEFAULT, OTHERWISE):
        yield f"is spread over {keys}"
    for one in constraints:
        if not one["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items():
            yield f"its spread over {one['topologyKey']} counts other pods"
        if keys == OTHERWISE and one["whenUnsatisfiable"] != "DoNotSchedule":
            yield f"its spread is not that of the values: {one}"
        # Counted with those that a deploy replaces, new ones would crowd on one node.
        if keys == DEFAULT and (one.get("matchLabelKeys"), one["whenUnsatisfiable"], one["maxSkew"]) != (
            ["pod-template-hash"], "ScheduleAnyway", 1,
        ):  # fmt: skip
            yield f"its spread is {one}"
