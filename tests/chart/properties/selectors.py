"""Workloads, Services, budgets, policies and monitors select what they are for, and nothing else: by component, and by
release, as another may be in the same namespace."""

from rendered_objects import name_of, template, workloads

# Which component an object of each kind is for, where it is not told by the object's own label.
SERVER = {"PodDisruptionBudget", "PodMonitor"}


def selected(selector, labelled):
    return [labels for labels in labelled if selector.items() <= labels.items()]


def with_another(labelled):
    return labelled + [labels | {"app.kubernetes.io/instance": "another"} for labels in labelled]


def check(workload, objects):
    if workload["kind"] != "Deployment":  # once for each rendering
        return
    component = "app.kubernetes.io/component"
    pods = with_another([template(of)["metadata"]["labels"] for of in workloads(objects)])
    services = with_another([of["metadata"]["labels"] for of in objects if of["kind"] == "Service"])
    for of in objects:
        spec, own = of.get("spec", {}), of["metadata"].get("labels", {}).get(component)
        if of["kind"] == "Service":
            among, selector, expected = pods, spec["selector"], "server" if own == "metrics" else own
        elif of["kind"] == "NetworkPolicy":
            among, selector, expected = pods, spec["podSelector"]["matchLabels"], own
        elif of["kind"] in SERVER:
            among, selector, expected = pods, spec["selector"]["matchLabels"], "server"
        elif of["kind"] in ("Deployment", "StatefulSet"):
            among, selector, expected = pods, spec["selector"]["matchLabels"], own
        elif of["kind"] == "ServiceMonitor":
            among, selector, expected = services, spec["selector"]["matchLabels"], "metrics"
        else:
            continue
        found = [labels[component] for labels in selected(selector, among)]
        if found != [expected]:
            yield f"{name_of(of)} selects {found}, and should {expected}"
