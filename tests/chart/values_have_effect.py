"""Checks that ci/*-values.yaml set each value of values.yaml, and that each value they set has an effect.

Without that value, or without the last item of a list, the chart must render something else, or fail.

    values_have_effect.py HELM3 CHART VALUES...
"""

import copy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import yaml
from rendered_objects import leaves

HELM3, CHART, *VALUES_FILES = sys.argv[1:]

PROBE_NUMBERS_NOT_SET = {
    "startup": ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold"),
    "readiness": ("initialDelaySeconds", "timeoutSeconds", "successThreshold", "failureThreshold"),
    "liveness": ("initialDelaySeconds", "periodSeconds", "successThreshold", "failureThreshold"),
}
SAME_MERGE = "merged in the same way as podSecurityContext.runAsUser, which is set"
SAME_TEMPLATE = "rendered by the same template as image.digest, which is set"
SAME_YAML = "rendered by the same toYaml as the number of this probe that is set"
# Values that no file sets, with the reason.
NOT_SET = {
    ("redis", "bundled", "image", "digest"): SAME_TEMPLATE,
    ("tests", "image", "digest"): SAME_TEMPLATE,
    ("podSecurityContext", "runAsNonRoot"): SAME_MERGE,
    ("podSecurityContext", "fsGroupChangePolicy"): SAME_MERGE,
    ("podSecurityContext", "seccompProfile", "type"): SAME_MERGE,
    **{("securityContext", key): "merged in the same way as securityContext.seLinuxOptions, which is set" for key in (
        "allowPrivilegeEscalation", "privileged", "readOnlyRootFilesystem", "runAsNonRoot")},
    ("securityContext", "capabilities", "drop"): "merged in the same way as securityContext.seLinuxOptions, which is set",
    **{("probes", probe, number): SAME_YAML for probe, numbers in PROBE_NUMBERS_NOT_SET.items() for number in numbers},
}


def removable_paths(values):
    """Yields the path of each value, and for a list of several items also the path of its last item."""
    for path in leaves(values):
        yield path
        value = values
        for key in path:
            value = value[key]
        if isinstance(value, list) and len(value) > 1:
            yield (*path, -1)


def without(values, path):
    """Returns a copy of the values without the value at the path."""
    values = copy.deepcopy(values)
    parent = values
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    return values


def render(values):
    """Returns the rendering, or None if the chart rejects the values."""
    command = [HELM3, "template", "rel", CHART, "-n", "matrix", "--kube-version", "1.37.0", "-f", "-"]
    result = subprocess.run(command, input=yaml.safe_dump(values), capture_output=True, text=True, timeout=60)
    return result.stdout if result.returncode == 0 else None


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def main():
    values = {file: load(file) for file in VALUES_FILES}
    removals = [(file, path) for file in VALUES_FILES for path in removable_paths(values[file])]
    # Two at a time: each rendering is a separate process.
    with ThreadPoolExecutor(2) as pool:
        complete = dict(zip(VALUES_FILES, pool.map(render, values.values())))
        reduced = list(pool.map(lambda removal: render(without(values[removal[0]], removal[1])), removals))
    errors = [f"{file} does not render" for file in VALUES_FILES if not complete[file]]
    for (file, path), rendering in zip(removals, reduced):
        if rendering == complete[file]:
            errors.append(f"{file}: {'.'.join(map(str, path))} has no effect")
    set_paths = {path[:depth] for _, path in removals for depth in range(1, len(path) + 1)}
    not_set = {leaf for leaf in leaves(load(f"{CHART}/values.yaml")) if leaf not in set_paths}
    errors += [f"{'.'.join(path)} is set in none of ci/*-values.yaml" for path in not_set - NOT_SET.keys()]
    errors += [f"{'.'.join(path)} is set, or does not exist: remove it from NOT_SET" for path in NOT_SET.keys() - not_set]
    print(f"{len(removals)} values are set, and each has an effect")
    sys.exit("\n".join(sorted(errors)) or 0)


main()
