"""Reads the objects that the chart renders, for the tests in this directory."""

import base64
import sys
import tomllib

import yaml


class StrictLoader(yaml.SafeLoader):
    """Loads YAML like an API server: a duplicate key is an error."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if duplicates := {str(key) for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"duplicate keys: {sorted(duplicates)}", node.start_mark)
        return super().construct_mapping(node, deep)


def load(path):
    """Returns the objects in a rendering."""
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.load_all(file, StrictLoader) if document]


def leaves(values, path=()):
    """Yields the path of each value that is not a non-empty map."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def name_of(item):
    """Returns KIND/NAME of an object."""
    return f"{item['kind']}/{item['metadata']['name']}"


def find(objects, kind, name):
    """Returns the only object of this kind and name, or exits."""
    found = [item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name]
    if len(found) != 1:
        sys.exit(f"expected one {kind}/{name}, found {len(found)}")
    return found[0]


def secrets(objects):
    """Returns the decoded content of each Secret by its name. The chart uses `data`, cluster.yaml uses `stringData`."""
    content = {}
    for item in objects:
        if item["kind"] == "Secret":
            decoded = {key: base64.b64decode(value).decode() for key, value in item.get("data", {}).items()}
            content[item["metadata"]["name"]] = decoded | item.get("stringData", {})
    return content


def written_config(objects, name):
    """Returns the text of the server's configuration file."""
    return find(objects, "ConfigMap", name)["data"]["matrix-rendezvous.toml"]


def config_of(objects, name):
    """Returns the server's configuration, parsed."""
    return tomllib.loads(written_config(objects, name))


def public_base_urls(config):
    """Returns the URLs at which clients reach the homeservers of a parsed configuration."""
    entries = config.get("auth", {}).get("homeserver") or [config.get("http", {})]
    return [entry["public_base_url"] for entry in entries if "public_base_url" in entry]


def scheme_of(config):
    """Returns the scheme of the server's HTTP port by its parsed configuration."""
    return "https" if "tls_cert_file" in config.get("http", {}) else "http"


def template(workload):
    """Returns metadata and spec of a workload's pods, or None if the object is not a workload."""
    if workload["kind"] == "Pod":
        return workload
    spec = workload.get("spec", {})
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    pod = spec.get("template")
    return pod if isinstance(pod, dict) and "containers" in pod.get("spec", {}) else None


def workloads(objects):
    return [item for item in objects if template(item)]


def is_server(workload):
    """True for the Deployment of the server, of which every rendering has one."""
    return workload["kind"] == "Deployment" and workload["metadata"]["labels"]["app.kubernetes.io/component"] == "server"


def is_doctor(workload):
    """True for the Deployment or the CronJob of the doctor."""
    return workload["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "qr-doctor" and bool(template(workload))


# Names of the containers that ci/monitoring-scaling-values.yaml adds to the server pods.
EXTRA_CONTAINERS = ("wait", "proxy")


def own_containers(workload):
    """Returns the containers of the chart, without those that the values add."""
    return [container for container in containers(workload) if container["name"] not in EXTRA_CONTAINERS]


def containers(workload):
    spec = template(workload)["spec"]
    return spec.get("initContainers", []) + spec["containers"]
