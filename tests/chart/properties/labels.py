"""Kubernetes' common labels on the workload and its pods, and a selector that is part of those of its pods."""

from objects import template

COMMON = ("name", "instance", "component", "version", "managed-by", "part-of")


def check(workload, objects):
    pod = template(workload)["metadata"]["labels"]
    for where, labels in {"it": workload["metadata"]["labels"], "its pods": pod}.items():
        for name in COMMON:
            if not labels.get(f"app.kubernetes.io/{name}"):
                yield f"{where} has no label {name}"
    selector = workload.get("spec", {}).get("selector", {}).get("matchLabels", {})
    if not selector.items() <= pod.items():
        yield "its selector is not of its pods"
    if any("version" in label or "chart" in label for label in selector):
        yield "its selector changes with a release, which Kubernetes refuses"
