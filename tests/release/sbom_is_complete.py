"""Compares an SBOM with `cargo tree`: it must name every crate in the binary, for both architectures.

    sbom_is_complete.py FILE
"""

import json
import subprocess
import sys


def crates(target):
    """Name and version of each crate in the binary for a target, according to cargo."""
    command = ["cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none", "--target", target]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {tuple(line.split()[:2]) for line in lines if line.strip()}


sbom = json.load(open(sys.argv[1]))
server = sbom["metadata"]["component"]
listed = {(component["name"], f"v{component['version']}") for component in [server, *sbom["components"]]}
for target in ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"):
    missing = crates(target) - listed
    assert not missing, f"{target}: the SBOM lacks {sorted(missing)}"
for component in sbom["components"]:
    assert component.get("licenses") and component["purl"].startswith("pkg:cargo/"), component["name"]
    assert [digest["alg"] for digest in component["hashes"]] == ["SHA-256"], component["name"]
print(f"ok  the SBOM lists {len(listed)} crates, including every crate in the binary")
