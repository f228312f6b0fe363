"""Prints a rendering in a fixed order and without version numbers, for comparison with a file in expected/.

It covers the chart's defaults, because ci/*-values.yaml override many of them.

    normalize_rendering.py RENDERED
"""

import sys

import yaml
from rendered_objects import load, name_of

VERSION_LABEL = "app.kubernetes.io/version"
RELEASE_LABELS = ("helm.sh/chart", VERSION_LABEL)


def abbreviate(content, path):
    """Returns a short text instead of the content if it equals the file."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return f"content of {path}" if content in (text, yaml.safe_load(text)) else content


objects = load(sys.argv[1])
versions = {item["metadata"]["labels"][VERSION_LABEL] for item in objects}
for item in sorted(objects, key=name_of):
    for label in RELEASE_LABELS:
        del item["metadata"]["labels"][label]
    if item["kind"] == "PrometheusRule":
        item["spec"] = abbreviate(item["spec"], "deploy/prometheus/rules.yaml")
    if item["metadata"]["name"].endswith("-dashboard"):
        item["data"] = {key: abbreviate(value, "deploy/grafana/dashboard.json") for key, value in item["data"].items()}
    text = yaml.safe_dump(item, width=120)
    for version in versions:
        text = text.replace(f":{version}\n", ":VERSION\n")
    print(f"---\n{text}", end="")
