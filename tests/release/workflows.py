"""What the workflows promise in their comments, and no schema knows: who may write, what must pass before anything is
public, what is made and signed, and that CI is all of the tests."""

import glob
import os
import re

from ruamel.yaml import YAML

AT = ".github/workflows"
workflows = {}
for name in os.listdir(AT):
    assert name.endswith(".yaml"), f"{AT}/{name}: the tests look at .yaml alone"
    with open(f"{AT}/{name}", encoding="utf-8") as file:
        workflows[name.removesuffix(".yaml")] = YAML(typ="safe").load(file)
assert set(workflows) == {"ci", "advisories", "release"}, workflows.keys()

# Whose code runs: that of a branch or a tag here, or of a pull request, which then has no secrets.
assert workflows["ci"]["on"] == {"push": {"branches": ["main"]}, "pull_request": None, "workflow_call": None}
assert workflows["release"]["on"] == {"push": {"tags": ["v*"]}}
assert set(workflows["advisories"]["on"]) == {"schedule", "pull_request", "workflow_call", "workflow_dispatch"}

# Who may write. All else may read what this repository has, and no more.
WRITES = {
    ("release", "image"): {"contents": "read", "packages": "write"},
    ("release", "publish"): {"contents": "write", "packages": "write", "id-token": "write"},
}
for name, workflow in workflows.items():
    assert workflow["permissions"] == {"contents": "read"}, name
    for job, of in workflow["jobs"].items():
        assert of.get("permissions") == WRITES.get((name, job)), f"{name}, {job}: {of.get('permissions')}"
        for step in of.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"] == {"persist-credentials": False}, f"{name}, {job}: its checkout leaves a token behind"

# CI is all of the tests.
with open(".ci/e2e", encoding="utf-8") as file:
    e2e = file.read()
with open(".ci/run", encoding="utf-8") as file:
    assert re.search(r"^\./test\n\.ci/e2e$", file.read(), re.M), ".ci/run is no longer ./test and .ci/e2e"
for run in set(glob.glob("tests/*/run")) - {"tests/sizing/run"}:  # that one measures
    assert re.search(rf"^step {run}$", e2e, re.M), f".ci/e2e does not run {run}"
assert re.search(r"^step cargo deny .*check licenses bans sources$", e2e, re.M)
assert [step["run"] for step in workflows["ci"]["jobs"]["ci"]["steps"] if "run" in step][-1] == ".ci/run"
assert "cargo deny check advisories" in [step.get("run") for step in workflows["advisories"]["jobs"]["advisories"]["steps"]]

# A release: nothing has a name, or a signature, before all that must pass has.
jobs = workflows["release"]["jobs"]


def before(job):
    needs = jobs[job].get("needs", [])
    needs = [needs] if isinstance(needs, str) else needs
    return {*needs, *(one for need in needs for one in before(need))}


assert before("image") == {"ci", "advisories", "version", "sbom"} and before("publish") == {*before("image"), "image"}
assert jobs["publish"]["environment"] == "release"
# A pipe that breaks is a step that fails: GitHub's own default has no pipefail.
assert workflows["release"]["defaults"] == {"run": {"shell": "bash"}}


def steps(job):
    return "\n".join(step.get("run", "") for step in jobs[job]["steps"])


assert '.github/release/version "$GITHUB_REF_NAME"' in steps("version")
assert jobs["image"]["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
[build] = [step["with"] for step in jobs["image"]["steps"] if step.get("uses", "").startswith("docker/build-push-action@")]
with open("Dockerfile", encoding="utf-8") as file:
    arguments = set(re.findall(r"^ARG (\w+)", file.read(), re.M)) - {"BUILD_IMAGE"}
assert {line.split("=")[0] for line in build["build-args"].splitlines()} == arguments, build["build-args"]
assert build["sbom"] is True and build["provenance"] == "mode=max" and "push-by-digest=true" in build["outputs"]
assert re.search(r'docker run .*"\$IMAGE@\$DIGEST" config check$', steps("image"), re.M)
published = steps("publish")
for signed in ('cosign sign --yes "$IMAGE@$digest"', 'cosign sign --yes "$CHARTS/matrix-rendezvous@', "cosign sign-blob --yes --bundle SHA256SUMS.sigstore.json SHA256SUMS"):
    assert signed in published, f"a release does not: {signed}"
[created] = re.findall(r"^gh release create .*", published, re.M)
for file in ('"matrix-rendezvous-$VERSION"*', " SHA256SUMS ", " SHA256SUMS.sigstore.json", "--notes-file notes.md"):
    assert file in created, f"a release is without {file}: {created}"
assert "case $VERSION in *-*) kind=--prerelease ;;" in published and " $kind " in created, "a candidate would be the latest release"
assert published.index("sha256sum ") < published.index("sign-blob") < published.index(created)
print("ok  workflows: who may write, what comes first, what is signed; CI is all of the tests")
