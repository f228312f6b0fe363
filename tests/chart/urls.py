"""The URL of Redis in each rendering is the one in urls.yaml: urls.py RENDERED..."""

import os
import sys

import yaml
from objects import containers, load, workloads

with open(f"{os.path.dirname(__file__)}/urls.yaml", encoding="utf-8") as file:
    expected = yaml.safe_load(file)
found = {}
for path in sys.argv[1:]:
    objects = load(path)
    of = found[os.path.basename(path).removesuffix(".yaml")] = {}
    for secret in (one["stringData"] for one in objects if one["kind"] == "Secret"):
        of |= {"url" if key == "redis-url" else key: value for key, value in secret.items() if key.startswith("redis-url")}
    for workload in workloads(objects):
        for container in containers(workload):
            for variable in container.get("env", []):
                if variable["name"] == "RENDEZVOUS_STORE__REDIS__URL":
                    of["url"] = variable["value"]
print(f"{len(found)} URLs of Redis")
if found != expected:
    sys.exit(f"expected {expected}\nfound    {found}")
