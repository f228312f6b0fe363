"""Kubernetes' common labels on the workload and its pods, text all of them and ours whatever the values say; a selector
that is part of those of its pods. Nothing on pods changes with a release of the chart alone."""

from rendered_objects import template

COMMON = ("name", "instance", "component", "managed-by", "part-of")
RELEASE = ("app.kubernetes.io/version", "helm.sh/chart")
COMPONENTS = {"Deployment": "server", "StatefulSet": "redis", "Pod": "test"}


def check(workload, objects):
    own = workload["metadata"]["labels"]
    pod = template(workload)["metadata"]["labels"]
    for where, labels in {"it": own, "its pods": pod}.items():
        for name in COMMON:
            if not labels.get(f"app.kubernetes.io/{name}"):
                yield f"{where} has no label {name}"
        if labels.get("app.kubernetes.io/component") != COMPONENTS[workload["kind"]]:
            yield f"{where} is a {labels.get('app.kubernetes.io/component')}"
    for of in objects:
        for key, value in of["metadata"].get("labels", {}).items():
            if not isinstance(value, str):
                yield f"{of['kind']}'s label {key} is no text: {value}"
    for name in RELEASE:
        if name not in own:
            yield f"it has no label {name}"
        if name in pod and workload["kind"] != "Pod":  # a Pod is its own pods
            yield f"its pods have the label {name}"
    selector = workload.get("spec", {}).get("selector", {}).get("matchLabels", {})
    if not selector.items() <= pod.items():
        yield "its selector is not of its pods"
    if any("version" in label or "chart" in label for label in selector):
        yield "its selector changes with a release, which Kubernetes refuses"
