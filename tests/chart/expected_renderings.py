"""Compares each rendering with the files in expected/, which are written by hand.

    expected/kinds.yaml      its objects
    expected/secrets.yaml    the content of the chart's own Secret
    expected/policies.yaml   its NetworkPolicies
    expected/NAME.toml       the server's configuration

    expected_renderings.py RENDERED...
"""

import difflib
import os
import sys

import yaml
from rendered_objects import is_server, load, name_of, secrets, written_config

EXPECTED = f"{os.path.dirname(os.path.abspath(__file__))}/expected"


def read(name):
    with open(f"{EXPECTED}/{name}", encoding="utf-8") as file:
        return file.read()


def differences(expected, found, expected_name, found_name):
    return list(difflib.unified_diff(expected.splitlines(), found.splitlines(), expected_name, found_name, lineterm=""))


def main(paths):
    errors = []
    found = {"kinds": {}, "secrets": {}, "policies": {}}
    for path in paths:
        objects = load(path)
        name = os.path.basename(path).removesuffix(".yaml")
        policies = [item for item in objects if item["kind"] == "NetworkPolicy"]
        found["kinds"][name] = sorted(map(name_of, objects))
        found["secrets"][name] = secrets(objects)
        found["policies"][name] = {policy["metadata"]["name"]: policy["spec"] for policy in policies}
        [server] = [item["metadata"]["name"] for item in filter(is_server, objects)]
        expected_config, config = read(f"{name}.toml"), written_config(objects, server)
        if config.rstrip("\n") + "\n" != expected_config:
            errors += differences(expected_config, config, f"expected/{name}.toml", path)
    for subject, renderings in found.items():
        expected = yaml.safe_load(read(f"{subject}.yaml"))
        if renderings.keys() != expected.keys():
            errors.append(f"expected/{subject}.yaml has {sorted(expected)}, rendered are {sorted(renderings)}")
            continue
        for name, value in renderings.items():
            if value != expected[name]:
                expected_text, found_text = (yaml.safe_dump(content, width=200) for content in (expected[name], value))
                errors += differences(expected_text, found_text, f"expected/{subject}.yaml: {name}", f"{name}, as rendered")
    print(f"{len(paths)} renderings: objects, configuration, Secret and policies are as expected")
    sys.exit("\n".join(errors) or 0)


main(sys.argv[1:])
