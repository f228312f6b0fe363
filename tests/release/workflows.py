"""Checks what the workflows promise in their comments and what no schema covers: write permissions, the order of jobs in a
release, what is signed, and that CI runs every test."""

import glob
import os
import re

from ruamel.yaml import YAML

DIRECTORY = ".github/workflows"
# The jobs that may write. All others may only read the content of the repository.
WRITE_PERMISSIONS = {
    ("release", "image"): {"contents": "read", "packages": "write"},
    ("release", "publish"): {"contents": "write", "packages": "write", "id-token": "write"},
}
# .ci/nightly alone runs them: random input takes as long as one lets it, and tests/sizing/run is no test.
NOT_IN_CI = {"tests/fuzz/run", "tests/sizing/run"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def load_workflows():
    workflows = {}
    for name in os.listdir(DIRECTORY):
        assert name.endswith(".yaml"), f"{DIRECTORY}/{name}: the tests read only .yaml files"
        workflows[name.removesuffix(".yaml")] = YAML(typ="safe").load(read(f"{DIRECTORY}/{name}"))
    assert set(workflows) == {"ci", "advisories", "nightly", "release"}, workflows.keys()
    return workflows


def check_triggers(workflows):
    """Only code of a branch or tag of this repository runs, or of a pull request, which then has no secrets."""
    assert workflows["ci"]["on"] == {"push": {"branches": ["main"]}, "pull_request": None, "workflow_call": None}
    assert workflows["release"]["on"] == {"push": {"tags": ["v*"]}}
    assert set(workflows["nightly"]["on"]) == {"schedule", "workflow_dispatch"}
    assert set(workflows["advisories"]["on"]) == {"schedule", "pull_request", "workflow_call", "workflow_dispatch"}


def check_permissions(workflows):
    """Only the jobs in WRITE_PERMISSIONS may write, and no checkout keeps its token."""
    for name, workflow in workflows.items():
        assert workflow["permissions"] == {"contents": "read"}, name
        for job, definition in workflow["jobs"].items():
            permissions = definition.get("permissions")
            assert permissions == WRITE_PERMISSIONS.get((name, job)), f"{name}, {job}: {permissions}"
            for step in definition.get("steps", []):
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False, f"{name}, {job}: the checkout keeps its token"


def check_ci_runs_every_test(workflows):
    end_to_end = read(".ci/e2e")
    assert re.search(r"^\./test\n\.ci/e2e$", read(".ci/run"), re.M), ".ci/run must run ./test and .ci/e2e"
    for script in set(glob.glob("tests/*/run")) - NOT_IN_CI:
        assert re.search(rf"^step {script}( |$)", end_to_end, re.M), f".ci/e2e does not run {script}"
    nightly = read(".ci/nightly")
    in_part = set(re.findall(r"^step (tests/\S+) .", end_to_end, re.M))
    for script in NOT_IN_CI | in_part:
        assert re.search(rf"^(step {script}|nice {script} >.* &)$", nightly, re.M), f".ci/nightly does not run the whole of {script}"
    assert re.search(r"^step cargo deny .*check licenses bans sources$", end_to_end, re.M)
    assert [step["run"] for step in workflows["ci"]["jobs"]["ci"]["steps"] if "run" in step][-1] == ".ci/run"
    commands = {job: [step.get("run") for step in of["steps"]] for job, of in workflows["nightly"]["jobs"].items()}
    assert ".ci/nightly" in commands["nightly"] and "tests/interop/compatibility/run" in commands["compatibility"], commands
    advisory_steps = workflows["advisories"]["jobs"]["advisories"]["steps"]
    assert "cargo deny check advisories" in [step.get("run") for step in advisory_steps]


def jobs_before(jobs, job):
    """The names of all jobs that must pass before this job starts."""
    needs = jobs[job].get("needs", [])
    needs = [needs] if isinstance(needs, str) else needs
    return {*needs, *(earlier for need in needs for earlier in jobs_before(jobs, need))}


def shell_code(jobs, job):
    return "\n".join(step.get("run", "") for step in jobs[job]["steps"])


def check_release_order(jobs):
    """Nothing is named or signed before every required job has passed."""
    assert jobs_before(jobs, "image") == {"ci", "advisories", "version", "sbom"}
    assert jobs_before(jobs, "packages") == {"ci", "advisories", "version"}
    assert jobs_before(jobs, "publish") == {*jobs_before(jobs, "image"), "image", "packages"}
    assert jobs["publish"]["environment"] == "release"
    assert '.github/release/version "$GITHUB_REF_NAME"' in shell_code(jobs, "version")


def check_image(jobs):
    """The image is built for two architectures with every build argument, an SBOM and provenance, and is started once."""
    assert jobs["image"]["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    [build] = [step["with"] for step in jobs["image"]["steps"] if step.get("uses", "").startswith("docker/build-push-action@")]
    arguments = set(re.findall(r"^ARG (\w+)", read("Dockerfile"), re.M)) - {"BUILD_IMAGE"}
    assert {line.split("=")[0] for line in build["build-args"].splitlines()} == arguments, build["build-args"]
    assert build["sbom"] is True and build["provenance"] == "mode=max" and "push-by-digest=true" in build["outputs"]
    assert re.search(r'docker run .*"\$IMAGE@\$DIGEST" config check$', shell_code(jobs, "image"), re.M)


def check_packages(jobs):
    """The packages are built for both architectures, and a release that lacks one fails."""
    assert jobs["packages"]["strategy"] == jobs["image"]["strategy"]
    code = shell_code(jobs, "packages")
    assert ".github/release/deb packages" in code and ".github/release/binary packages" in code
    assert '-*.deb matrix-rendezvous-"$VERSION"-linux-*.tar.gz | wc -l)" = 4 ]' in shell_code(jobs, "publish")


def check_signatures_and_files(jobs):
    """The image, the chart and the checksums are signed, and the release contains every file."""
    published = shell_code(jobs, "publish")
    for command in (
        'cosign sign --yes "$IMAGE@$digest"',
        'cosign sign --yes "$CHARTS/matrix-rendezvous@',
        "cosign sign-blob --yes --bundle SHA256SUMS.sigstore.json SHA256SUMS",
    ):
        assert command in published, f"a release does not run: {command}"
    assert ".github/release/arch arch" in published and '--file "matrix-rendezvous-$VERSION-arch.tar.gz"' in published
    assert '.github/release/dashboard "matrix-rendezvous-$VERSION-grafana-dashboard.json"' in published
    [create_release] = re.findall(r"^gh release create .*", published, re.M)
    for argument in ('matrix-rendezvous[-_]"$VERSION"*', " SHA256SUMS ", " SHA256SUMS.sigstore.json", "--notes-file notes.md"):
        assert argument in create_release, f"a release lacks {argument}: {create_release}"
    is_prerelease = "case $VERSION in *-*) kind=--prerelease ;;" in published and " $kind " in create_release
    assert is_prerelease, "a release candidate would become the latest release"
    assert published.index(".github/release/dashboard ") < published.index("sha256sum ") < published.index("sign-blob") < published.index(create_release)


workflows = load_workflows()
check_triggers(workflows)
check_permissions(workflows)
check_ci_runs_every_test(workflows)
# A failing command in a pipe must fail the step. GitHub's default shell has no pipefail.
assert workflows["release"]["defaults"] == {"run": {"shell": "bash"}}
release_jobs = workflows["release"]["jobs"]
check_release_order(release_jobs)
check_image(release_jobs)
check_packages(release_jobs)
check_signatures_and_files(release_jobs)
print("ok  workflows: permissions, order of jobs, signatures; CI runs every test")
