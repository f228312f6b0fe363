"""Checks renderings with unusual names and labels: the longest names, numbers, YAML words, and labels in the values that
collide with the chart's own.

    unusual_names.py HELM3 CHART
"""

import subprocess
import sys
import tempfile

import yaml
from properties import labels as labels_property
from rendered_objects import find, is_server, load, template, workloads

HELM3, CHART = sys.argv[1:]
BASE_VALUES = {
    "image": {"repository": "r"},
    "config": {"mode": "open", "http": {"public_base_url": "https://a"}, "msc4108": {"enabled": True}},
    "redis": {"bundled": {"enabled": True}},
    "serviceMonitor": {"enabled": True},
    "dashboard": {"enabled": True},
    "doctor": {"enabled": True},
}
# Values for the chart's own labels, which must have no effect.
COLLIDING_LABELS = {f"app.kubernetes.io/{name}": "another" for name in ("name", "instance", "component", "part-of", "managed-by")}
# Name of the case: name of the release, and values that override BASE_VALUES.
CASES = {
    "long": ("r" * 53, {"fullnameOverride": "rendezvous-" + "x" * 52, "nameOverride": "rendezvous-" + "y" * 60}),
    "long release": ("r" * 53, {}),
    "long, CronJob": ("r" * 53, {"doctor": {"schedule": "@hourly"}}),
    "PodMonitor": ("r" * 53, {"serviceMonitor": {"enabled": False}, "podMonitor": {"enabled": True, "labels": COLLIDING_LABELS}}),
    "numbers": ("2026", {"fullnameOverride": "rendezvous", "nameOverride": "2027"}),
    "true": ("true", {"fullnameOverride": "no", "serviceAccount": {"create": False, "name": "on"}}),
    "labels": ("rel", {
        "labels": {"team": "a", "release": "p", "tier": "every-pod", **COLLIDING_LABELS},
        "podLabels": {"tier": "server-pods", "helm.sh/chart": "c", **COLLIDING_LABELS},
        "serviceMonitor": {"labels": {"release": "p", **COLLIDING_LABELS}},
        "podAnnotations": {"checksum/config": "another", "checksum/secret": "another"},
        "service": {"labels": {"tier": "service"}},
        "ingress": {"enabled": True, "hosts": ["a"], "labels": {"tier": "ingress", **COLLIDING_LABELS}},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["a"], "labels": {"tier": "route", **COLLIDING_LABELS}},
    }),
}  # fmt: skip
NAME_KEYS = ("name", "namespace", "serviceName", "serviceAccountName", "secretName")


def names_in(node):
    """Yields every name in an object, its own and those that it refers to."""
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key in NAME_KEYS)
        children = node.values()
    else:
        children = node if isinstance(node, list) else []
    for child in children:
        yield from names_in(child)


def render(case, release, values):
    """Returns the objects that Helm renders."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as base, tempfile.NamedTemporaryFile("w", suffix=".yaml") as overrides:
        yaml.safe_dump(BASE_VALUES, base)
        yaml.safe_dump(values, overrides)
        base.flush()
        overrides.flush()
        command = [HELM3, "template", release, CHART, "-n", "2025", "--kube-version", "1.37.0", "-f", base.name, "-f", overrides.name]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if result.returncode:
        sys.exit(f"{case}: {result.stderr}")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as rendered:
        rendered.write(result.stdout)
        rendered.flush()
        return load(rendered.name)


def check_lengths(case, objects):
    """Names and label values are text of at most 63 characters."""
    for item in objects:
        where = f"{case}: {item['kind']}"
        for name in names_in(item):
            if not isinstance(name, str) or len(name) > 63:
                yield f"{where} contains the name {name}"
        for label, value in item["metadata"]["labels"].items():
            if not isinstance(value, str) or len(value) > 63:
                yield f"{where} has the label {label}: {value}"
        # A label of its pods is its name, a hyphen and ten characters: controller-revision-hash, and job-name.
        if item["kind"] in ("StatefulSet", "CronJob") and len(item["metadata"]["name"]) > 52:
            yield f"{where} has a name of {len(item['metadata']['name'])} characters, so Kubernetes cannot create its pods"


def check_label_property(case, objects):
    """Every workload has the labels that properties/labels.py requires."""
    for workload in workloads(objects):
        for error in labels_property.check(workload, objects):
            if "helm.sh/chart" not in error:
                yield f"{case}: {workload['kind']}: {error}"


def check_label_values(case, objects):
    """Labels of the values are set, and the chart's own labels and annotations cannot be overridden."""
    for workload in workloads(objects):
        metadata = template(workload)["metadata"]
        labels, annotations = metadata["labels"], metadata.get("annotations", {})
        tier = "server-pods" if is_server(workload) else "every-pod"
        if (labels["team"], labels["tier"]) != ("a", tier) or "another" in [*labels.values(), *annotations.values()]:
            yield f"{case}: pods of the {workload['kind']} have {labels}, {annotations}"
    for kind, tier in (("Service", "service"), ("Ingress", "ingress"), ("HTTPRoute", "route")):
        labels = find(objects, kind, "rel-matrix-rendezvous")["metadata"]["labels"]
        if labels["tier"] != tier or "another" in labels.values():
            yield f"{case}: the labels of the {kind} are {labels}"


errors = []
for case, (release, values) in CASES.items():
    objects = render(case, release, values)
    errors += check_lengths(case, objects)
    errors += check_label_property(case, objects)
    if case == "labels":
        errors += check_label_values(case, objects)
print(f"{len(CASES)} releases with unusual names and labels")
sys.exit("\n".join(errors) or 0)
