"""The objects that a chart renders, for the tests beside this file."""

import sys

import yaml


def load(path):
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document]


def name_of(of):
    return f"{of['kind']}/{of['metadata']['name']}"


def find(objects, kind, name):
    found = [of for of in objects if of["kind"] == kind and of["metadata"]["name"] == name]
    if len(found) != 1:
        sys.exit(f"{len(found)} objects are {kind}/{name}")
    return found[0]


def template(workload):
    """The metadata and spec of a workload's pods, or None for what is none."""
    if workload["kind"] == "Pod":
        return workload
    pod = workload.get("spec", {}).get("template")
    return pod if isinstance(pod, dict) and "containers" in pod.get("spec", {}) else None


def workloads(objects):
    return [of for of in objects if template(of)]


def containers(workload):
    spec = template(workload)["spec"]
    return spec.get("initContainers", []) + spec["containers"]
