"""What no schema knows of .github: what is pinned, and that nothing is forgotten.

    files.py SCRIPTS    writes the shell of each workflow's steps there, for shellcheck
"""

import glob
import os
import re
import subprocess
import sys

from ruamel.yaml import YAML


def load(path):
    with open(path) as file:
        return YAML(typ="safe").load(file)


tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split("\n")
workflows = glob.glob(".github/workflows/*.yaml")

# An action by its commit, its version beside it, and everywhere by the same.
pins = {}
for path in workflows:
    for action, pin in re.findall(r"uses: *(\S+)(.*)", open(path).read()):
        if action.startswith("./"):
            assert os.path.isfile(action), f"{path}: {action} is no file"
            continue
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) and re.fullmatch(r" # v\d+\.\d+\.\d+", pin), f"{path}: {action}{pin}"
        pins.setdefault(action.split("@")[0], set()).add(action + pin)
assert pins and all(len(of) == 1 for of in pins.values()), pins

# A tool that is installed, by its version, and everywhere by the same.
tools = {}
for path in [name for name in tracked if name.startswith((".ci/", ".github/", "tests/"))]:
    for line in open(path, errors="replace"):
        if path != "tests/release/files.py" and (found := re.search(r"cargo install (.*)", line)):
            tools.setdefault(path, []).append(found[1])
versions = {}
for path, lines in tools.items():
    for line in lines:
        [[tool, version]] = re.findall(r"\b([a-z][a-z-]+)@(\d+\.\d+\.\d+)\b", line) or [[None, None]]
        assert version, f"{path}: a tool without its version: cargo install {line}"
        assert "--locked" in line, f"{path}: cargo install {line}"
        versions.setdefault(tool, set()).add(version)
assert {"cargo-deny", "cargo-cyclonedx"} <= set(versions) and all(len(of) == 1 for of in versions.values()), versions

release = open(".github/workflows/release.yaml").read()
for script in os.listdir(".github/release"):
    assert f".github/release/{script} " in release, f"the release does not run {script}"

# Dependabot looks at every place that names versions but for tools that are installed (above) and Rust's beside the
# Dockerfile's (below).
names = {"cargo": "Cargo.lock", "npm": "package-lock.json", "pip": "requirements.txt", "docker": "Dockerfile", "docker-compose": "docker-compose.yml", "helm": "Chart.yaml"}
updates = {of["package-ecosystem"]: of for of in load(".github/dependabot.yml")["updates"]}
assert set(updates) == {*names, "github-actions"}, updates.keys()
for ecosystem, name in names.items():
    listed = set(updates[ecosystem].get("directories") or [updates[ecosystem]["directory"]])
    there = {"/" + os.path.dirname(path) for path in tracked if os.path.basename(path) == name}
    assert listed == there, f"{ecosystem}: Dependabot looks at {listed}, and there are {there}"

# One Rust.
[rust] = re.findall(r'^rust-version = "(.*)"', open("Cargo.toml").read(), re.M)
named = {}
for path in ["Dockerfile", "README.md", "docs/install.md", "rust-toolchain.toml", "test", "tests/interop/rust/Cargo.toml", "tests/image/engine.sh", *workflows]:
    for version in re.findall(r'(?:rust:|Rust |rust-version = "|channel = ")(\d+\.\d+)', open(path).read()):
        named.setdefault(path, set()).add(version)
assert all(of == {rust} for of in named.values()), f"Cargo.toml says {rust}: {named}"
assert {"Dockerfile", "README.md", "docs/install.md", "rust-toolchain.toml", "test", ".github/workflows/ci.yaml"} <= set(named), named

# One Redis, for whoever tries it out.
[redis] = re.findall(r"redis:([\w.-]+)}", open("docker-compose.yml").read())
assert load("helm/matrix-rendezvous/values.yaml")["redis"]["bundled"]["image"]["tag"] == redis, redis

# One bound of a replica's memory, above what docs/threat-model.md has it take: in compose, the unit, and the chart.
bounds = [re.findall(pattern, open(path).read(), re.M) for path, pattern in (
    ("docker-compose.yml", r"^x-rendezvous:(?s:.*?)^  mem_limit: (.*)$"), ("deploy/systemd/matrix-rendezvous.service", r"^MemoryMax=(.*)$"),
)] + [[load("helm/matrix-rendezvous/values.yaml")["resources"]["limits"]["memory"]]]
assert bounds == [["1g"], ["1G"], ["1Gi"]], bounds

for path in workflows:
    for job, of in load(path)["jobs"].items():
        for number, step in enumerate(of.get("steps", [])):
            if "run" in step:
                with open(f"{sys.argv[1]}/{os.path.basename(path)}-{job}-{number}.sh", "w") as file:
                    file.write("#!/usr/bin/env bash\n" + step["run"])
print(f"ok  {len(pins)} actions and {len(versions)} tools are pinned; one Rust, {rust}, and one Redis; Dependabot sees the rest")
