"""Checks every workload of every rendering with each module in properties/.

    check_properties.py RENDERED...
"""

import importlib
import pkgutil
import sys

import properties
from rendered_objects import load, name_of, workloads

MODULES = [importlib.import_module(f"properties.{module.name}") for module in pkgutil.iter_modules(properties.__path__)]


def main(paths):
    errors, checks, kinds = [], 0, set()
    for path in paths:
        objects = load(path)
        for workload in workloads(objects):
            kinds.add(workload["kind"])
            for module in MODULES:
                checks += 1
                errors += [f"{path}: {name_of(workload)}: {module.__name__}: {error}" for error in module.check(workload, objects)]
    if kinds != {"Deployment", "StatefulSet", "CronJob", "Pod"}:
        errors.append(f"only workloads of these kinds were checked: {sorted(kinds)}")
    print(f"{len(MODULES)} properties, {checks} checks")
    sys.exit("\n".join(errors) or 0)


main(sys.argv[1:])
