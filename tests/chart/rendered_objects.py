"""The objects that a chart renders, for the tests beside this file."""

import base64
import sys
import tomllib

import yaml


class Strict(yaml.SafeLoader):
    """YAML as an API server reads it: a key that stands twice is an error."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := {str(key) for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"{sorted(twice)} twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load(path):
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.load_all(file, Strict) if document]


def leaves(of, at=()):
    """The path of each value in values."""
    for key, value in of.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*at, key))
        else:
            yield (*at, key)


def name_of(of):
    return f"{of['kind']}/{of['metadata']['name']}"


def find(objects, kind, name):
    found = [of for of in objects if of["kind"] == kind and of["metadata"]["name"] == name]
    if len(found) != 1:
        sys.exit(f"{len(found)} objects are {kind}/{name}")
    return found[0]


def secrets(objects):
    """What is in each Secret, by its name: the chart's is written in base64, those of cluster.yaml are not."""
    found = {}
    for of in objects:
        if of["kind"] == "Secret":
            coded = {key: base64.b64decode(value).decode() for key, value in of.get("data", {}).items()}
            found[of["metadata"]["name"]] = coded | of.get("stringData", {})
    return found


def written_config(objects, name):
    """The service's configuration, as the chart writes it."""
    return find(objects, "ConfigMap", name)["data"]["matrix-rendezvous.toml"]


def config_of(objects, name):
    """The same, read."""
    return tomllib.loads(written_config(objects, name))


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
