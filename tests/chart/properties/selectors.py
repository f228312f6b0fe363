"""Workloads, Services, budgets, policies and monitors select exactly the component that they are for, even if another release
is in the same namespace."""

from rendered_objects import is_server, name_of, template, workloads

COMPONENT = "app.kubernetes.io/component"


def with_another_release(label_sets):
    """Adds the same labels for another release in the namespace. Pods with the same labels count once, as both test pods do."""
    label_sets = [dict(labels) for labels in {tuple(sorted(labels.items())) for labels in label_sets}]
    return label_sets + [labels | {"app.kubernetes.io/instance": "another"} for labels in label_sets]


def selection(item):
    """Returns what an object selects from ("pods" or "services"), its selector, and the component that it must select. Returns
    None if the object selects nothing."""
    kind, spec = item["kind"], item.get("spec", {})
    own_component = item["metadata"].get("labels", {}).get(COMPONENT)
    if kind == "Service":
        return "pods", spec["selector"], "server" if own_component == "metrics" else own_component
    if kind == "NetworkPolicy":
        return "pods", spec["podSelector"]["matchLabels"], own_component
    if kind == "PodDisruptionBudget":
        return "pods", spec["selector"]["matchLabels"], "server"
    if kind == "PodMonitor":
        return "pods", spec["selector"]["matchLabels"], own_component
    if kind in ("Deployment", "StatefulSet"):
        return "pods", spec["selector"]["matchLabels"], own_component
    if kind == "ServiceMonitor":
        return "services", spec["selector"]["matchLabels"], "metrics" if own_component == "server" else own_component
    return None


def check(workload, objects):
    if not is_server(workload):  # once per rendering
        return
    candidates = {
        "pods": with_another_release([template(item)["metadata"]["labels"] for item in workloads(objects)]),
        "services": with_another_release([item["metadata"]["labels"] for item in objects if item["kind"] == "Service"]),
    }
    for item in objects:
        if selected := selection(item):
            target, selector, expected = selected
            found = [labels[COMPONENT] for labels in candidates[target] if selector.items() <= labels.items()]
            if found != [expected]:
                yield f"{name_of(item)} selects {found}, and should select only {expected}"
