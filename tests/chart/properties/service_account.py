"""A service account of its own, whose token is mounted nowhere."""

from objects import template


def check(workload, objects):
    spec = template(workload)["spec"]
    if spec.get("automountServiceAccountToken") is not False:
        yield "a token is mounted"
    name = spec.get("serviceAccountName")
    accounts = [of for of in objects if of["kind"] == "ServiceAccount"]
    if not name or accounts and name not in [of["metadata"]["name"] for of in accounts]:
        yield f"runs as {name}"
    for of in accounts:
        if of.get("automountServiceAccountToken") is not False:
            yield "the account mounts its token wherever it is used"
