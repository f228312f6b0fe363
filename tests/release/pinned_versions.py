"""Checks what no schema covers: actions and tools are pinned, Dependabot covers every manifest, and versions that several
files repeat are equal.

    pinned_versions.py DIRECTORY    also writes the shell code of each workflow step to the directory, for shellcheck
"""

import glob
import os
import re
import subprocess
import sys

from ruamel.yaml import YAML

THIS_FILE = "tests/release/pinned_versions.py"
WORKFLOWS = glob.glob(".github/workflows/*.yaml")
TRACKED_FILES = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split("\n")

# The manifest that Dependabot reads for each ecosystem.
MANIFESTS = {
    "cargo": "Cargo.lock",
    "npm": "package-lock.json",
    "pip": "requirements.txt",
    "docker": "Dockerfile",
    "docker-compose": "docker-compose.yml",
    "helm": "Chart.yaml",
}


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def load_yaml(path):
    return YAML(typ="safe").load(read(path))


def check_actions():
    """Every action is pinned by its commit, with the version in a comment, and all workflows use the same pin."""
    pins = {}
    for path in WORKFLOWS:
        for action, comment in re.findall(r"uses: *(\S+)(.*)", read(path)):
            if action.startswith("./"):
                assert os.path.isfile(action), f"{path}: {action} does not exist"
                continue
            is_commit = re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
            has_version = re.fullmatch(r" # v\d+\.\d+\.\d+", comment)
            assert is_commit and has_version, f"{path}: {action}{comment} must be owner/name@commit # vX.Y.Z"
            pins.setdefault(action.split("@")[0], set()).add(action + comment)
    assert pins and all(len(variants) == 1 for variants in pins.values()), f"an action has several pins: {pins}"
    return pins


def check_cargo_tools():
    """Every `cargo install` has a version and --locked, and all scripts use the same version of a tool."""
    versions = {}
    for path in TRACKED_FILES:
        if not path.startswith((".ci/", ".github/", "tests/")) or path == THIS_FILE or not os.path.isfile(path):
            continue
        for arguments in re.findall(r"cargo install (.*)", read(path)):
            tools = re.findall(r"\b([a-z][a-z-]+)@(\d+\.\d+\.\d+)\b", arguments)
            assert len(tools) == 1, f"{path}: cargo install needs one tool with its version: {arguments}"
            assert "--locked" in arguments, f"{path}: cargo install needs --locked: {arguments}"
            [(tool, version)] = tools
            versions.setdefault(tool, set()).add(version)
    assert {"cargo-deny", "cargo-cyclonedx"} <= set(versions), versions
    assert all(len(variants) == 1 for variants in versions.values()), f"a tool has several versions: {versions}"
    return versions


def check_release_scripts():
    """The release workflow runs every script in .github/release, by itself or by another one."""
    scripts = {script: read(f".github/release/{script}") for script in os.listdir(".github/release")}
    release = read(".github/workflows/release.yaml")
    run_by_workflow = {script for script in scripts if f".github/release/{script} " in release}
    for script in scripts.keys() - run_by_workflow:
        callers = [caller for caller in run_by_workflow if f".github/release/{script} " in scripts[caller]]
        assert callers, f"the release workflow does not run {script}"


def check_dependabot():
    """Dependabot covers every manifest. The other checks here cover `cargo install` and the Rust version."""
    updates = {update["package-ecosystem"]: update for update in load_yaml(".github/dependabot.yml")["updates"]}
    assert set(updates) == {*MANIFESTS, "github-actions"}, updates.keys()
    for ecosystem, manifest in MANIFESTS.items():
        update = updates[ecosystem]
        configured = set(update.get("directories") or [update["directory"]])
        existing = {"/" + os.path.dirname(path) for path in TRACKED_FILES if os.path.basename(path) == manifest}
        assert configured == existing, f"{ecosystem}: Dependabot has {configured}, the repository has {existing}"


def check_rust_version():
    """Every file that contains a Rust version has the one in Cargo.toml."""
    [rust] = re.findall(r'^rust-version = "(.*)"', read("Cargo.toml"), re.M)
    required = {"Dockerfile", "README.md", "docs/install.md", "rust-toolchain.toml", "test", ".github/workflows/ci.yaml"}
    optional = {"tests/fuzz/Cargo.toml", "tests/interop/rust/Cargo.toml", "tests/model/Cargo.toml", "tests/image/engine.sh", *WORKFLOWS}
    found = {}
    for path in required | optional:
        for version in re.findall(r'(?:rust:|Rust |rust-version = "|channel = ")(\d+\.\d+)', read(path)):
            found.setdefault(path, set()).add(version)
    assert all(versions == {rust} for versions in found.values()), f"Cargo.toml has {rust}: {found}"
    assert required <= set(found), f"no Rust version in {required - set(found)}"
    return rust


def check_redis_version():
    """Compose and the chart use the same Redis image."""
    [redis] = re.findall(r"redis:([\w.-]+)}", read("docker-compose.yml"))
    chart_tag = load_yaml("helm/matrix-rendezvous/values.yaml")["redis"]["bundled"]["image"]["tag"]
    assert chart_tag == redis, f"the chart has redis:{chart_tag}, compose has redis:{redis}"


def check_memory_limits():
    """Compose, the systemd unit and the chart set the same memory limit, which is above the need in docs/threat-model.md."""
    compose = re.findall(r"^x-rendezvous:(?s:.*?)^  mem_limit: (.*)$", read("docker-compose.yml"), re.M)
    unit = re.findall(r"^MemoryMax=(.*)$", read("deploy/systemd/matrix-rendezvous.service"), re.M)
    chart = load_yaml("helm/matrix-rendezvous/values.yaml")["resources"]["limits"]["memory"]
    assert (compose, unit, chart) == (["1280m"], ["1280M"], "1280Mi"), f"compose {compose}, unit {unit}, chart {chart}"


def write_steps(directory):
    """Writes the shell code of each workflow step to a file."""
    for path in WORKFLOWS:
        for job, definition in load_yaml(path)["jobs"].items():
            for number, step in enumerate(definition.get("steps", [])):
                if "run" in step:
                    name = f"{directory}/{os.path.basename(path)}-{job}-{number}.sh"
                    with open(name, "w", encoding="utf-8") as file:
                        file.write("#!/usr/bin/env bash\n" + step["run"])


actions = check_actions()
cargo_tools = check_cargo_tools()
check_release_scripts()
check_dependabot()
rust = check_rust_version()
check_redis_version()
check_memory_limits()
write_steps(sys.argv[1])
print(f"ok  {len(actions)} actions and {len(cargo_tools)} tools are pinned; one Rust version, {rust}, and one Redis version; Dependabot covers the rest")
