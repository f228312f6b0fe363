"""Holds every expression of dashboard, rules and runbook against the series that the workers really have.

  expressions.py PROMETHEUS DASHBOARD RUNBOOK

Each metric that one names must be scraped from each replica, and each matcher must find a series, alone (of
`reason=~"a|b"` both a and b): a name that nobody exposes is an empty panel, or an alert that never fires, and neither
says so. Of a panel each expression must also give a number, as everything happens in this run that can.
"""

import json
import re
import sys

from prometheus import Prometheus, filled, one_by_one, selectors, targets

prometheus = Prometheus(sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as file:
    dashboard = json.load(file)
with open(sys.argv[3], encoding="utf-8") as file:
    # As a shell would take them: q '…'
    commands = re.findall(r"\bq '([^']*)'", file.read())
wrong = []


def hold(where, expression):
    for name, matchers in selectors(expression):
        # `up` is Prometheus' own, one for each of its targets.
        replicas = prometheus.values("count(rendezvous_build_info)")[0]
        if prometheus.values(f"count(count by (instance) ({name}))") != [replicas]:
            wrong.append(f"{where}: not every replica has {name}")
            continue
        for alone in one_by_one(matchers):
            if not prometheus.values(f"count({name}{alone})"):
                wrong.append(f"{where}: no series is {name}{alone}")


panels, rules = 0, 0
for panel, target, expression in targets(dashboard):
    panels += 1
    where = f"panel {panel['title']!r}"
    if not all("$namespace" in matchers and "$job" in matchers for _, matchers in selectors(target["expr"])):
        wrong.append(f"{where}: not of the chosen namespace and job alone: {target['expr']}")
    if "$" in expression:
        wrong.append(f"{where}: a variable that Grafana would not put in: {expression}")
        continue
    try:
        if not prometheus.values(expression):
            wrong.append(f"{where}: no number: {expression}")
    except ValueError as error:
        wrong.append(f"{where}: {error}: {expression}")
        continue
    hold(where, expression)
for variable in dashboard["templating"]["list"]:
    if variable["type"] == "query":
        inner = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rsplit(",", 1)[0]
        hold(f"variable {variable['name']}", filled(inner))
for group in prometheus.rules():
    for rule in group["rules"]:
        rules += 1
        if rule["health"] != "ok":
            wrong.append(f"alert {rule['name']}: {rule['health']} {rule.get('lastError', '')}")
        hold(f"alert {rule['name']}", rule["query"])
for expression in commands:
    try:
        prometheus.values(expression)
        hold("runbook", expression)
    except ValueError as error:
        wrong.append(f"runbook: {error}: {expression}")
if not (panels and rules and commands):
    wrong.append("there was nothing to look at")
print(f"{panels} expressions of the dashboard, {rules} of the rules, {len(commands)} of the runbook: against real series")
if wrong:
    sys.exit("\n".join(dict.fromkeys(wrong)))
