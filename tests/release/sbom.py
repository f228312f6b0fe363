"""Holds an SBOM to cargo's own word: what the binary is made of, for either architecture.

    sbom.py FILE
"""

import json
import subprocess
import sys


def crates(target):
    command = ["cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none", "--target", target]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {tuple(line.split()[:2]) for line in lines if line.strip()}


sbom = json.load(open(sys.argv[1]))
own = sbom["metadata"]["component"]
named = {(of["name"], f"v{of['version']}") for of in [own, *sbom["components"]]}
for target in ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"):
    missing = crates(target) - named
    assert not missing, f"{target}: the SBOM does not name {sorted(missing)}"
for of in sbom["components"]:
    assert of.get("licenses") and of["purl"].startswith("pkg:cargo/"), of["name"]
    assert [of_hash["alg"] for of_hash in of["hashes"]] == ["SHA-256"], of["name"]
print(f"ok  the SBOM names {len(named)} crates, and so each that is in the binary")
