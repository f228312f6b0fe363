"""Each value of values.yaml is set by one of ci/*-values.yaml, and each that those set has an effect: without it, and without
the last of a list, the chart renders something else, or nothing.

    effects.py HELM3 CHART VALUES...
"""

import copy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import yaml
from rendered_objects import leaves

HELM3, CHART, *files = sys.argv[1:]
LAID = "they are laid over with podSecurityContext.runAsUser"
DIGEST = "they are of one template with image.digest"
# Values that none sets, with the reason.
UNSET = {
    ("redis", "bundled", "image", "digest"): DIGEST,
    ("tests", "image", "digest"): DIGEST,
    ("podSecurityContext", "runAsNonRoot"): LAID,
    ("podSecurityContext", "fsGroupChangePolicy"): LAID,
    ("podSecurityContext", "seccompProfile", "type"): LAID,
    **{("probes", probe, number): "one number of each probe is set, and they are of one toYaml" for probe, numbers in {
        "startup": ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold"),
        "readiness": ("initialDelaySeconds", "timeoutSeconds", "successThreshold", "failureThreshold"),
        "liveness": ("initialDelaySeconds", "periodSeconds", "successThreshold", "failureThreshold"),
    }.items() for number in numbers},
}  # fmt: skip


def parts(of):
    """The leaves, and of a list of several its last, by -1."""
    for path in leaves(of):
        yield path
        value = of
        for key in path:
            value = value[key]
        if isinstance(value, list) and len(value) > 1:
            yield (*path, -1)


def without(values, path):
    values = copy.deepcopy(values)
    of = values
    for key in path[:-1]:
        of = of[key]
    del of[path[-1]]
    return values


def render(values):
    command = [HELM3, "template", "rel", CHART, "-n", "matrix", "--kube-version", "1.37.0", "-f", "-"]
    done = subprocess.run(command, input=yaml.safe_dump(values), capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else None


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


# Two at a time: each is a process of its own.
with ThreadPoolExecutor(2) as pool:
    sets = {file: load(file) for file in files}
    whole = dict(zip(sets, pool.map(render, sets.values())))
    each = [(file, path) for file, values in sets.items() for path in parts(values)]
    others = pool.map(lambda one: render(without(sets[one[0]], one[1])), each)
    bad = [f"{file}: {'.'.join(map(str, path))} has no effect" for (file, path), other in zip(each, others) if other == whole[file]]
bad += [f"{file} does not render" for file in files if not whole[file]]
paths = {path[:depth] for _, path in each for depth in range(1, len(path) + 1)}
unset = {leaf for leaf in leaves(load(f"{CHART}/values.yaml")) if leaf not in paths}
bad += [f"{'.'.join(path)} is set in none of ci/*-values.yaml" for path in unset - UNSET.keys()]
bad += [f"{'.'.join(path)} is set, or is no value: effects.py need not name it" for path in UNSET.keys() - unset]
print(f"{len(each)} values are set, and each has an effect")
sys.exit("\n".join(sorted(bad)) or 0)
