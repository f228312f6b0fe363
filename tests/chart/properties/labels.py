"""The workload and its pods have Kubernetes' common labels. Every label is text, the chart's own labels cannot be overridden,
and the selector matches the pods. No label of pods changes with a release of the chart alone."""

from rendered_objects import template

COMMON_LABELS = ("name", "instance", "component", "managed-by", "part-of")
RELEASE_LABELS = ("app.kubernetes.io/version", "helm.sh/chart")
COMPONENTS = {"Deployment": ("server", "qr-doctor"), "CronJob": ("qr-doctor",), "StatefulSet": ("redis",), "Pod": ("test",)}


def check(workload, objects):
    own_labels = workload["metadata"]["labels"]
    pod_labels = template(workload)["metadata"]["labels"]
    for owner, labels in {"it": own_labels, "its pod template": pod_labels}.items():
        for name in COMMON_LABELS:
            if not labels.get(f"app.kubernetes.io/{name}"):
                yield f"{owner} has no label {name}"
        component = labels.get("app.kubernetes.io/component")
        if component not in COMPONENTS[workload["kind"]]:
            yield f"{owner} has the component {component}"
    for item in objects:
        for key, value in item["metadata"].get("labels", {}).items():
            if not isinstance(value, str):
                yield f"the label {key} of {item['kind']} is not text: {value}"
    for name in RELEASE_LABELS:
        if name not in own_labels:
            yield f"it has no label {name}"
        if name in pod_labels and workload["kind"] != "Pod":  # a Pod has no separate template
            yield f"its pod template has the label {name}"
    selector = workload.get("spec", {}).get("selector", {}).get("matchLabels", {})
    if not selector.items() <= pod_labels.items():
        yield "its selector does not match its pods"
    if any("version" in label or "chart" in label for label in selector):
        yield "its selector changes with a release, which Kubernetes rejects"
