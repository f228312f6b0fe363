"""Checks an upgrade from an earlier chart with unchanged values, and the way back: this chart renders the values files of the earlier
one, except those in REJECTED, and no field changes that Kubernetes does not allow to change, so that `helm upgrade` and `helm
rollback` work.

    upgrade.py HELM3 CHART EARLIER_CHART DIRECTORY

DIRECTORY receives the renderings by this chart.
"""

import glob
import os
import subprocess
import sys

import yaml

HELM3, CHART, EARLIER, DIRECTORY = sys.argv[1:]

# Values files that this chart rejects on purpose: the reason, and how an operator changes the values. CHANGELOG.md has both.
REJECTED = {
    "monitoring-scaling": ("podMonitor.enabled: must not be set together with serviceMonitor.enabled", {"podMonitor": {"enabled": False}}),
    "sentinel-tls": ("Additional property accept is not allowed", {"config": {"store": {"redis": {"accept": None, "ignore_checks": ["latency"]}}}}),
}
# Fields that cannot change in an existing object: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/ and others.
IMMUTABLE = {
    "Deployment": ["selector"],
    "StatefulSet": ["selector", "serviceName", "volumeClaimTemplates", "podManagementPolicy"],
    "Service": ["clusterIP"],
}


def change(values, changes):
    """Changes values in place. None removes a key."""
    for key, value in changes.items():
        if value is None:
            del values[key]
        elif isinstance(value, dict):
            change(values[key], value)
        else:
            values[key] = value


def render(chart, file, changes):
    """Returns the rendered objects by kind and name, their text, and the error output."""
    with open(file, encoding="utf-8") as text:
        values = yaml.safe_load(text)
    change(values, changes)
    command = [HELM3, "template", "rel", chart, "-n", "matrix", "--kube-version", "1.37.0", "-f", "-"]
    result = subprocess.run(command, input=yaml.safe_dump(values), capture_output=True, text=True, timeout=60)
    objects = [item for item in yaml.safe_load_all(result.stdout) if item] if result.returncode == 0 else []
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}, result.stdout, result.stderr


def main():
    errors, compared = [], 0
    files = sorted(glob.glob(f"{EARLIER}/ci/*-values.yaml"))
    if missing := REJECTED.keys() - {os.path.basename(file).removesuffix("-values.yaml") for file in files}:
        errors.append(f"the earlier chart has no values file {sorted(missing)}")
    for file in files:
        name = os.path.basename(file).removesuffix("-values.yaml")
        before, _, error = render(EARLIER, file, {})
        if not before:
            sys.exit(f"the earlier chart does not render {name}: {error}")
        after, text, error = render(CHART, file, {})
        reason, changes = REJECTED.get(name, ("", {}))
        if name in REJECTED:
            if after or reason not in error:
                errors.append(f"{name}: expected the error {reason}, found {error or 'none'}")
            after, text, error = render(CHART, file, changes)
        if not after:
            errors.append(f"{name}: this chart rejects the values of the earlier one: {error}")
            continue
        with open(f"{DIRECTORY}/{name}.yaml", "w", encoding="utf-8") as output:
            output.write(text)
        for (kind, item), fields in ((key, IMMUTABLE[key[0]]) for key in before.keys() & after.keys() if key[0] in IMMUTABLE):
            compared += 1
            old, new = before[kind, item]["spec"], after[kind, item]["spec"]
            errors += [f"{name}: {kind}/{item}: {field} changes from {old.get(field)} to {new.get(field)}"
                       for field in fields if old.get(field) != new.get(field)]  # fmt: skip
        for kind in ("Deployment", "StatefulSet", "Service"):
            if lost := {item for found, item in before if found == kind} - {item for found, item in after if found == kind}:
                errors.append(f"{name}: {kind} {sorted(lost)} has another name, so an upgrade would remove it")
    print(f"{len(files)} values files of the earlier chart, {compared} objects of both charts: an upgrade changes no immutable field")
    sys.exit("\n".join(errors) or 0)


main()
