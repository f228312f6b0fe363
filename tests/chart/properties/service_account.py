"""A service account of its own, or one that the values name; its token is mounted nowhere."""

from rendered_objects import template


def check(workload, objects):
    spec = template(workload)["spec"]
    if spec.get("automountServiceAccountToken") is not False:
        yield "a token is mounted"
    accounts = [of for of in objects if of["kind"] == "ServiceAccount"]
    # "default" is what ci/memory-values.yaml names.
    if spec.get("serviceAccountName") not in [of["metadata"]["name"] for of in accounts] + ["default"] * (not accounts):
        yield f"runs as {spec.get('serviceAccountName')}"
    for of in accounts:
        if of.get("automountServiceAccountToken") is not False:
            yield "the account mounts its token wherever it is used"
