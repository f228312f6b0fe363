"""What each rendering must be, as written by hand in expected/: its objects (kinds.yaml), what its own Secret holds
(secrets.yaml), who may talk to whom (policies.yaml), and the service's configuration (NAME.toml).

    expected.py RENDERED...
"""

import difflib
import os
import sys

import yaml
from rendered_objects import load, name_of, secrets, written_config

HERE = f"{os.path.dirname(os.path.abspath(__file__))}/expected"


def read(file):
    with open(f"{HERE}/{file}", encoding="utf-8") as text:
        return text.read()


bad, found = [], {"kinds": {}, "secrets": {}, "policies": {}}
for path in sys.argv[1:]:
    objects, name = load(path), os.path.basename(path).removesuffix(".yaml")
    found["kinds"][name] = sorted(map(name_of, objects))
    found["secrets"][name] = secrets(objects)
    found["policies"][name] = {of["metadata"]["name"]: of["spec"] for of in objects if of["kind"] == "NetworkPolicy"}
    [server] = [of["metadata"]["name"] for of in objects if of["kind"] == "Deployment"]
    expected, config = read(f"{name}.toml"), written_config(objects, server)
    if config.rstrip("\n") + "\n" != expected:
        bad += difflib.unified_diff(expected.splitlines(), config.splitlines(), f"expected/{name}.toml", path, lineterm="")
for what, of in found.items():
    expected = yaml.safe_load(read(f"{what}.yaml"))
    if of.keys() != expected.keys():
        bad.append(f"expected/{what}.yaml is of {sorted(expected)}, and these are {sorted(of)}")
        continue
    for name, value in of.items():
        if value != expected[name]:
            texts = (yaml.safe_dump(one, width=200).splitlines() for one in (expected[name], value))
            bad += difflib.unified_diff(*texts, f"expected/{what}.yaml: {name}", f"{name}, as rendered", lineterm="")
print(f"{len(sys.argv) - 1} renderings: objects, configuration, Secret and policies are those expected")
sys.exit("\n".join(bad) or 0)
