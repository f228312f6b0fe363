"""Compares every expression of dashboard, rules and runbook with the series that the workers export.

  expressions.py PROMETHEUS DASHBOARD RUNBOOK

Each metric in an expression must be scraped from each replica. Each matcher must find a series on its own (for
`reason=~"a|b"` both a and b). A metric that no worker exports gives an empty panel, or an alert that never fires,
without any error. Each expression of a panel must also return a number, because this run has all kinds of events.
"""

import json
import re
import sys

from prometheus import Prometheus, single_matchers, selectors, targets, with_variables

prometheus = Prometheus(sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as file:
    dashboard = json.load(file)
with open(sys.argv[3], encoding="utf-8") as file:
    # The commands are written for a shell: q '…'
    commands = re.findall(r"\bq '([^']*)'", file.read())
errors = []


def check(where, expression):
    for name, matchers in selectors(expression):
        # `up` is a metric of Prometheus itself, with one series for each target. The doctor is a job of its own.
        job, processes = "rendezvous", prometheus.values("count(rendezvous_build_info)")[0]
        if name.startswith("rendezvous_doctor_"):
            job, processes = "qr-doctor", 1
        if prometheus.values(f'count(count by (instance) ({name}{{job="{job}"}}))') != [processes]:
            errors.append(f"{where}: {name} is missing on a process of {job}")
            continue
        for single in single_matchers(matchers):
            if not prometheus.values(f"count({name}{single})"):
                errors.append(f"{where}: no series matches {name}{single}")


panels, rules = 0, 0
for panel, target, expression in targets(dashboard):
    panels += 1
    where = f"panel {panel['title']!r}"
    if not all("$namespace" in matchers and "$job" in matchers for _, matchers in selectors(target["expr"])):
        errors.append(f"{where}: does not select namespace and job: {target['expr']}")
    if "$" in expression:
        errors.append(f"{where}: an unknown variable: {expression}")
        continue
    try:
        if not prometheus.values(expression):
            errors.append(f"{where}: no number: {expression}")
    except ValueError as error:
        errors.append(f"{where}: {error}: {expression}")
        continue
    check(where, expression)
for variable in dashboard["templating"]["list"]:
    if variable["type"] == "query":
        inner = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rsplit(",", 1)[0]
        check(f"variable {variable['name']}", with_variables(inner))
for group in prometheus.rules():
    for rule in group["rules"]:
        rules += 1
        if rule["health"] != "ok":
            errors.append(f"alert {rule['name']}: {rule['health']} {rule.get('lastError', '')}")
        check(f"alert {rule['name']}", rule["query"])
for expression in commands:
    try:
        prometheus.values(expression)
        check("runbook", expression)
    except ValueError as error:
        errors.append(f"runbook: {error}: {expression}")
if not (panels and rules and commands):
    errors.append("no expressions found")
print(f"{panels} expressions of the dashboard, {rules} of the rules, {len(commands)} of the runbook match real series")
if errors:
    sys.exit("\n".join(dict.fromkeys(errors)))
