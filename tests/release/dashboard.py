"""Checks the dashboard in Grafana's exchange form against the provisioned one: the same panels and queries, the data source as an
input, and everything that it requires.

    dashboard.py EXCHANGED PROVISIONED
"""

import json
import re
import sys

PROMETHEUS = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def values_of(node, name):
    """Yields each value of the members with this name, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name:
                yield value
            yield from values_of(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from values_of(value, name)


def check(exchanged, provisioned):
    inputs = [(entry["name"], entry["type"], entry["pluginId"]) for entry in exchanged["__inputs"]]
    assert inputs == [("DS_PROMETHEUS", "datasource", "prometheus")], inputs
    assert "id" in exchanged and exchanged["id"] is None, "an id would name a dashboard of another Grafana"
    sources = list(values_of(exchanged, "datasource"))
    assert len(sources) == len(list(values_of(provisioned, "datasource"))) > 50, len(sources)
    for source in sources:
        assert source == PROMETHEUS, f"a data source that an import does not ask for: {source}"
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(exchanged)))
    known = {variable["name"] for variable in exchanged["templating"]["list"]} | {"DS_PROMETHEUS"}
    unknown = {name for name in used - known if not name.startswith("__")}
    assert not unknown, f"variables that the dashboard does not have: {unknown}"
    types = {panel["type"] for panel in provisioned["panels"]} - {"row"}
    required = {(entry["type"], entry["id"]) for entry in exchanged["__requires"]}
    expected = {("grafana", "grafana"), ("datasource", "prometheus"), *(("panel", name) for name in types)}
    assert required == expected, f"requires {sorted(required)}, expected {sorted(expected)}"
    assert len(exchanged["__requires"]) == len(required), "something is required twice"
    [grafana] = [entry["version"] for entry in exchanged["__requires"] if entry["type"] == "grafana"]
    for path, pattern in (("docker-compose.yml", r"grafana/grafana:([\d.]+)"), ("tests/observe/grafana/package.json", r'@grafana/schema": "([\d.]+)')):
        with open(path, encoding="utf-8") as file:
            [version] = re.findall(pattern, file.read())
        assert version == grafana, f"{path} has Grafana {version}, the dashboard requires {grafana}"
    for name in ("title", "uid", "schemaVersion", "time"):
        assert exchanged[name] == provisioned[name], name
    assert list(values_of(exchanged["panels"], "expr")) == list(values_of(provisioned["panels"], "expr"))
    assert [panel["title"] for panel in exchanged["panels"]] == [panel["title"] for panel in provisioned["panels"]]


check(read(sys.argv[1]), read(sys.argv[2]))
print("ok  the dashboard's exchange form has its data source as an input, and lists what it requires")
