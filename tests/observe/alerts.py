"""Checks that every alert has tests on both sides of its threshold, and a section in the runbook.

  alerts.py PROMETHEUS RUNBOOK RULES_TEST...

To check the tests, it changes every alert so that it fires never, always, or without its `for`. The tests must then
fail, and promtool must name each alert. The rules are those that Prometheus has loaded. promtool gets them as JSON,
which is valid YAML.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from prometheus import Prometheus

url, runbook, *tests = sys.argv[1:]
loaded = Prometheus(url).rules()
errors = []


def rule_of_file(rule):
    fields = {"alert": rule["name"], "expr": rule["query"], "for": f"{int(rule['duration'])}s"}
    return fields | {"labels": rule["labels"], "annotations": rule["annotations"]}


groups = [{"name": group["name"], "rules": [rule_of_file(rule) for rule in group["rules"]]} for group in loaded]
rules = [rule for group in groups for rule in group["rules"]]


def failed_alerts(change, directory):
    """Changes each rule, and returns the alerts whose tests then fail."""
    changed = [group | {"rules": [rule | change(rule) for rule in group["rules"]]} for group in groups]
    (directory / "rules.yaml").write_text(json.dumps({"groups": changed}), encoding="utf-8")
    command = ["promtool", "test", "rules", *(directory / Path(test).name for test in tests)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.findall(r"alertname: (\w+), time", done.stdout + done.stderr)
    if done.returncode and not found:
        sys.exit(done.stdout + done.stderr)
    return set(found)


CHANGES = {
    "never": lambda rule: {"expr": "vector(0) > 0"},
    "always": lambda rule: {"expr": f"({rule['expr']}) or vector(1)", "for": "0s"},
    "at once": lambda rule: {"for": "0s"},
}
with tempfile.TemporaryDirectory() as name:
    directory = Path(name)
    for test in tests:
        shutil.copy(test, directory)
    if failed_alerts(lambda rule: {}, directory):
        sys.exit("the rules that Prometheus has loaded fail their tests")
    for when, change in CHANGES.items():
        failed = failed_alerts(change, directory)
        for rule in rules:
            if rule["alert"] not in failed and rule | change(rule) != rule:
                errors.append(f"{rule['alert']}: no test fails if it fires {when}")

headings = re.findall(r"^#+ (.*)$", Path(runbook).read_text(encoding="utf-8"), re.M)
for rule in rules:
    name, notes = rule["alert"], rule["annotations"]
    if rule["labels"].get("severity") not in ("critical", "warning"):
        errors.append(f"{name}: severity is not critical or warning")
    if not (notes.get("summary") and notes.get("description")):
        errors.append(f"{name}: no summary, or no description")
    # The base URL is set in one place; after it comes the anchor that GitHub makes of a heading of one word.
    base = "{{ $externalLabels.runbook_base_url }}"
    if notes.get("runbook_url") != f"{base}docs/operations.md#{name.lower()}":
        errors.append(f"{name}: runbook_url is {notes.get('runbook_url')}")
    if headings.count(name) != 1:
        errors.append(f"{name}: {headings.count(name)} sections in the runbook")
for heading in headings:
    if re.fullmatch(r"Rendezvous\w+", heading) and heading not in [rule["alert"] for rule in rules]:
        errors.append(f"the runbook has a section {heading}, but the alert does not exist")
print(f"{len(rules)} alerts, each with tests on both sides and a section in the runbook")
if errors or not rules:
    sys.exit("\n".join(errors) or "there is no alert")
