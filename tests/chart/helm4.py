"""Renders or lints the chart with Helm 4, by its SDK, as `helm template` and `helm lint --strict` do with Helm 3.

    helm4.py render CHART NAMESPACE RELEASE VALUES...   prints the objects, a separator, and the notes
    helm4.py lint CHART VALUES...
"""

import sys

import helm_python
import yaml


def merge_into(target, overrides):
    """Merges maps recursively. All other values replace those in the target."""
    for key, value in overrides.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            merge_into(target[key], value)
        else:
            target[key] = value


def load_values(files):
    """Returns the values of several files, of which later ones override earlier ones."""
    values = {}
    for file in files:
        with open(file, encoding="utf-8") as text:
            merge_into(values, yaml.safe_load(text) or {})
    return values


def render(chart, namespace, release, *files):
    with helm_python.Chart.load(chart) as loaded:
        values = load_values(files)
        loaded.validate_schema(values)
        rendered = loaded.render(values, name=release, namespace=namespace)
    notes = [text for path, text in rendered.items() if path.endswith("NOTES.txt")]
    for path in sorted(set(rendered)):
        if path.endswith(".yaml") and rendered[path].strip():
            print("---", rendered[path], sep="\n")
    print("---\n# notes:", *(line for text in notes for line in text.splitlines()), sep="\n# ")


def lint(chart, *files):
    report = helm_python.lint(chart, load_values(files), strict=True, kube_version="1.37.0")
    problems = [message for message in report["messages"] if message["severity"] not in ("INFO", "info", 1)]
    if report["total_charts_linted"] != 1 or problems:
        sys.exit(f"{files}: {report}")


if __name__ == "__main__":
    try:
        {"render": render, "lint": lint}[sys.argv[1]](*sys.argv[2:])
    except helm_python.HelmError as error:
        sys.exit(f"{error}")
