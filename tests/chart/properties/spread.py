"""Where several replicas run, they are spread, by constraints that count these pods."""

from objects import template


def check(workload, objects):
    if workload["kind"] != "Deployment":
        return
    pod = template(workload)
    constraints = pod["spec"].get("topologySpreadConstraints", [])
    if "kubernetes.io/hostname" not in [one["topologyKey"] for one in constraints]:
        yield "is not spread over nodes"
    for one in constraints:
        if not one["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items():
            yield f"its spread over {one['topologyKey']} counts other pods"
