"""Helm 4, by its SDK: renders or lints the chart, as `helm template` and `helm lint --strict` do by Helm 3.

    helm4.py render CHART NAMESPACE RELEASE VALUES...   the objects, then (after a line) the notes
    helm4.py lint CHART VALUES...
"""

import sys

import helm_python
import yaml


def merged(files):
    values = {}

    def lay_over(under, over):
        for key, value in over.items():
            if isinstance(value, dict) and isinstance(under.get(key), dict):
                lay_over(under[key], value)
            else:
                under[key] = value

    for file in files:
        with open(file, encoding="utf-8") as text:
            lay_over(values, yaml.safe_load(text) or {})
    return values


def render(chart, namespace, release, *files):
    with helm_python.Chart.load(chart) as loaded:
        values = merged(files)
        loaded.validate_schema(values)
        rendered = loaded.render(values, name=release, namespace=namespace)
    notes = [text for path, text in rendered.items() if path.endswith("NOTES.txt")]
    for path in sorted(set(rendered)):
        if path.endswith(".yaml") and rendered[path].strip():
            print("---", rendered[path], sep="\n")
    print("---\n# notes:", *(line for text in notes for line in text.splitlines()), sep="\n# ")


def lint(chart, *files):
    report = helm_python.lint(chart, merged(files), strict=True, kube_version="1.37.0")
    found = [message for message in report["messages"] if message["severity"] not in ("INFO", "info", 1)]
    if report["total_charts_linted"] != 1 or found:
        sys.exit(f"{files}: {report}")


if __name__ == "__main__":
    try:
        {"render": render, "lint": lint}[sys.argv[1]](*sys.argv[2:])
    except helm_python.HelmError as error:
        sys.exit(f"{error}")
