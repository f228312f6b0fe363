"""Holds every workload of every rendering against every file of properties/: properties_of.py RENDERED..."""

import importlib
import pkgutil
import sys

import properties
from rendered_objects import load, name_of, workloads

PROPERTIES = [importlib.import_module(f"properties.{module.name}") for module in pkgutil.iter_modules(properties.__path__)]
bad, checked, kinds = [], 0, set()
for path in sys.argv[1:]:
    objects = load(path)
    for workload in workloads(objects):
        kinds.add(workload["kind"])
        for one in PROPERTIES:
            checked += 1
            bad += [f"{path}: {name_of(workload)}: {one.__name__}: {what}" for what in one.check(workload, objects)]
if kinds != {"Deployment", "StatefulSet", "Pod"}:
    bad.append(f"workloads of {sorted(kinds)} alone were looked at")
print(f"{len(PROPERTIES)} properties, {checked} times")
sys.exit("\n".join(bad) or 0)
