"""Every alert has a test on both sides of its edge, and a section in the runbook.

  alerts.py PROMETHEUS RULES_TEST RUNBOOK

That a test is there is not read but tried: promtool must see red when the alert is made to fire never, always, or
without its `for`. Rules are taken as Prometheus has loaded them, and given to promtool as JSON, which is YAML.
"""

import copy
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


def passes(changed, place):
    (place / "rules.yaml").write_text(json.dumps({"groups": changed}), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", place / "rules.test.yaml"], capture_output=True, check=False)
    return done.returncode == 0


with tempfile.TemporaryDirectory() as name:
    place = Path(name)
    shutil.copy(tests, place / "rules.test.yaml")
    if not passes(groups, place):
        sys.exit("the rules as Prometheus has them do not pass their tests")
    for at, group in enumerate(groups):
        for number, rule in enumerate(group["rules"]):
            ways = {"never": {"expr": "vector(0) > 0"}, "always": {"expr": f"({rule['expr']}) or vector(1)", "for": "0s"}}
            if rule["for"] != "0s":
                ways["at once"] = {"for": "0s"}
            for way, change in ways.items():
                changed = copy.deepcopy(groups)
                changed[at]["rules"][number] |= change
                if passes(changed, place):
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
