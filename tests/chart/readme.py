"""Makes the chart's README of the comments in its values, where each value must have one: readme.py CHART [--check]."""

import re
import sys

import yaml
from rendered_objects import leaves

chart = sys.argv[1]
with open(f"{chart}/Chart.yaml", encoding="utf-8") as file:
    about = yaml.safe_load(file)
text = open(f"{chart}/values.yaml", encoding="utf-8").read()
values = yaml.safe_load(text)
rows, path, comment, said_of = [], [], "", set()
for line in text.splitlines():
    if said := re.fullmatch(r" *# -- (.*)", line):
        comment = said[1]
    elif key := re.match(r"( *)([A-Za-z0-9_]+):", line):
        depth = len(key[1]) // 2
        path = path[:depth] + [key[2]]
        if comment:
            said_of.add(tuple(path))
            value = values
            for name in path:
                value = value[name]
            shown = yaml.safe_dump(value, default_flow_style=True, width=1000).replace("\n...", "").strip()
            rows.append(f"| `{'.'.join(path)}` | {'' if len(shown) > 60 else f'`{shown}`'} | {comment} |")
        comment = ""


# A comment is of what is below it too, where that is not the chart's to name.
BELOW = {"resources", "startup", "readiness", "liveness", "labels", "podSecurityContext"}
silent = [
    ".".join(leaf)
    for leaf in leaves(values)
    if not any(leaf[:depth] in said_of and (depth == len(leaf) or leaf[depth - 1] in BELOW) for depth in range(1, len(leaf) + 1))
]
if silent:
    sys.exit(f"{chart}/values.yaml says nothing of {silent}")
page = f"""<!-- Made by tests/chart/readme.py of values.yaml. Change it there. -->
# {about['name']} {about['version']}

{about['description']}. Kubernetes {about['kubeVersion'].removesuffix('-0').removeprefix('>=')} or later, Helm 3.6 or later.

```sh
helm install rendezvous {chart} --namespace matrix --values values.yaml
helm test rendezvous --namespace matrix
```

[docs/install.md](../../docs/install.md) is the installation guide. [ci/](ci/) has example values by subject. Values that cannot work,
and unknown keys, fail at render with one message that lists every error. All values, with their defaults if those are
short:

| value | default | description |
|---|---|---|
""" + "\n".join(rows) + "\n"
readme = f"{chart}/README.md"
if sys.argv[2:] == ["--check"]:
    if open(readme, encoding="utf-8").read() != page:
        sys.exit(f"{readme} is not of values.yaml: run tests/chart/readme.py {chart}")
else:
    open(readme, "w", encoding="utf-8").write(page)
