"""Every alert has a test on both sides of its edge, and a section in the runbook.

  alerts.py PROMETHEUS RULES_TEST RUNBOOK

That a test is there is not read but tried: with every alert made to fire never, always, or without its `for`, promtool
must name each of them. Rules are taken as Prometheus has loaded them, and given to promtool as JSON, which is YAML.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from prometheus import Prometheus

url, tests, runbook = sys.argv[1:]
loaded = Prometheus(url).rules()
wrong = []


def as_file(rule):
    kept = {"alert": rule["name"], "expr": rule["query"], "for": f"{int(rule['duration'])}s"}
    return kept | {"labels": rule["labels"], "annotations": rule["annotations"]}


groups = [{"name": group["name"], "rules": [as_file(rule) for rule in group["rules"]]} for group in loaded]
rules = [rule for group in groups for rule in group["rules"]]


def failed(way, place):
    """The alerts whose tests fail with each rule changed in this way."""
    changed = [group | {"rules": [rule | way(rule) for rule in group["rules"]]} for group in groups]
    (place / "rules.yaml").write_text(json.dumps({"groups": changed}), encoding="utf-8")
    command = ["promtool", "test", "rules", place / "rules.test.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.findall(r"alertname: (\w+), time", done.stdout + done.stderr)
    if done.returncode and not found:
        sys.exit(done.stdout + done.stderr)
    return set(found)


WAYS = {
    "never": lambda rule: {"expr": "vector(0) > 0"},
    "always": lambda rule: {"expr": f"({rule['expr']}) or vector(1)", "for": "0s"},
    "at once": lambda rule: {"for": "0s"},
}
with tempfile.TemporaryDirectory() as name:
    place = Path(name)
    shutil.copy(tests, place / "rules.test.yaml")
    if failed(lambda rule: {}, place):
        sys.exit("the rules as Prometheus has them do not pass their tests")
    for way, change in WAYS.items():
        noticed = failed(change, place)
        for rule in rules:
            if rule["alert"] not in noticed and rule | change(rule) != rule:
                wrong.append(f"{rule['alert']}: no test notices when it fires {way}")

headings = re.findall(r"^#+ (.*)$", Path(runbook).read_text(encoding="utf-8"), re.M)
for rule in rules:
    name, notes = rule["alert"], rule["annotations"]
    if rule["labels"].get("severity") not in ("critical", "warning"):
        wrong.append(f"{name}: severity is neither critical nor warning")
    if not (notes.get("summary") and notes.get("description")):
        wrong.append(f"{name}: no summary, or no description")
    # GitHub's anchor of a heading that is one word.
    if notes.get("runbook_url") != f"docs/operations.md#{name.lower()}":
        wrong.append(f"{name}: runbook_url is {notes.get('runbook_url')}")
    if headings.count(name) != 1:
        wrong.append(f"{name}: {headings.count(name)} sections in the runbook")
for heading in headings:
    if re.fullmatch(r"Rendezvous\w+", heading) and heading not in [rule["alert"] for rule in rules]:
        wrong.append(f"the runbook has a section {heading}, and there is no such alert")
print(f"{len(rules)} alerts, each tested on both sides and in the runbook")
if wrong or not rules:
    sys.exit("\n".join(wrong) or "there is no alert")
