"""All that a rendering is, in one order and without the version, for a file in expected/ to be held against: what a release
has where its values say nothing, since ci/*-values.yaml say much.

    whole.py RENDERED
"""

import sys

import yaml
from rendered_objects import load, name_of

LABELS = ("helm.sh/chart", "app.kubernetes.io/version")


def same(found, path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return f"{path}, as it is" if found in (text, yaml.safe_load(text)) else found


objects = load(sys.argv[1])
versions = {of["metadata"]["labels"][LABELS[1]] for of in objects}
for of in sorted(objects, key=name_of):
    for label in LABELS:
        del of["metadata"]["labels"][label]
    if of["kind"] == "PrometheusRule":
        of["spec"] = same(of["spec"], "deploy/prometheus/rules.yaml")
    if of["metadata"]["name"].endswith("-dashboard"):
        of["data"] = {key: same(value, "deploy/grafana/dashboard.json") for key, value in of["data"].items()}
    text = yaml.safe_dump(of, width=120)
    for version in versions:
        text = text.replace(f":{version}\n", ":VERSION\n")
    print(f"---\n{text}", end="")
