"""Names and labels that are unusual: the longest, numbers, and labels of the values that are the chart's own.

    names.py HELM3 CHART
"""

import subprocess
import sys
import tempfile

import yaml
from rendered_objects import load, template, workloads
from properties import labels as labels_property

HELM3, CHART = sys.argv[1:]
BASE = {
    "image": {"repository": "r"},
    "config": {"mode": "open"},
    "redis": {"bundled": {"enabled": True}},
    "serviceMonitor": {"enabled": True},
    "podMonitor": {"enabled": True},
    "dashboard": {"enabled": True},
}
OURS = {f"app.kubernetes.io/{name}": "another" for name in ("name", "instance", "component", "part-of", "managed-by")}
CASES = {  # the release's name, and values beside those above
    "long": ("r" * 53, {"fullnameOverride": "rendezvous-" + "x" * 52, "nameOverride": "rendezvous-" + "y" * 60}),
    "long release": ("r" * 53, {}),
    "numbers": ("2026", {"fullnameOverride": "rendezvous", "nameOverride": "2027"}),
    "true": ("true", {"fullnameOverride": "no", "serviceAccount": {"create": False, "name": "on"}}),
    "labels": ("rel", {
        "labels": {"team": "a", "release": "p", "tier": "of-all", **OURS},
        "podLabels": {"tier": "of-pods", "helm.sh/chart": "c", **OURS},
        "serviceMonitor": {"labels": {"release": "p", **OURS}},
        "podMonitor": {"labels": {"release": "p"}},
        "podAnnotations": {"checksum/config": "another", "checksum/secret": "another"},
        "service": {"labels": {"tier": "of-service"}},
    }),
}  # fmt: skip
bad = []


def names(of):
    """Whatever is called by a name somewhere in an object."""
    if isinstance(of, dict):
        yield from (value for key, value in of.items() if key in ("name", "namespace", "serviceName", "serviceAccountName", "secretName"))
    for inner in of.values() if isinstance(of, dict) else of if isinstance(of, list) else []:
        yield from names(inner)


for case, (release, over) in CASES.items():
    with tempfile.NamedTemporaryFile("w+", suffix=".yaml") as base, tempfile.NamedTemporaryFile("w+", suffix=".yaml") as more:
        yaml.safe_dump(BASE, base), yaml.safe_dump(over, more)
        base.flush(), more.flush()
        command = [HELM3, "template", release, CHART, "-n", "2025", "--kube-version", "1.37.0", "-f", base.name, "-f", more.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode:
            sys.exit(f"{case}: {done.stderr}")
        base.seek(0), base.truncate()
        base.write(done.stdout), base.flush()
        objects = load(base.name)
    for of in objects:
        what = f"{case}: {of['kind']}"
        for name in names(of):
            if not isinstance(name, str) or len(name) > 63:
                bad.append(f"{what} is, or names, {name}")
        for label, value in of["metadata"]["labels"].items():
            if not isinstance(value, str) or len(value) > 63:
                bad.append(f"{what} has the label {label}: {value}")
        # Its pods' label controller-revision-hash is its name, a hyphen and ten characters.
        if of["kind"] == "StatefulSet" and len(of["metadata"]["name"]) > 52:
            bad.append(f"{what} has {len(of['metadata']['name'])} characters, and so no pods")
    for workload in workloads(objects):
        bad += [f"{case}: {workload['kind']}: {what}" for what in labels_property.check(workload, objects) if "helm.sh/chart" not in what]
        pod, annotations = template(workload)["metadata"]["labels"], template(workload)["metadata"].get("annotations", {})
        if case == "labels":
            expected = {"Deployment": "of-pods"}.get(workload["kind"], "of-all")
            if (pod["team"], pod["tier"]) != ("a", expected) or "another" in [*pod.values(), *annotations.values()]:
                bad.append(f"{case}: {workload['kind']}'s pods have {pod}, {annotations}")
    if case == "labels":
        [service] = [of for of in objects if of["kind"] == "Service" and of["metadata"]["name"] == "rel-matrix-rendezvous"]
        if service["metadata"]["labels"]["tier"] != "of-service":
            bad.append(f"{case}: the Service's own label is {service['metadata']['labels']['tier']}")
print(f"{len(CASES)} releases with unusual names and labels")
sys.exit("\n".join(bad) or 0)
