"""Every pod of the release has the same scheduling fields and image pull secrets as the server."""

from rendered_objects import is_server, template, workloads

KEYS = (
    "imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations", "runtimeClassName", "hostAliases", "dnsPolicy", "dnsConfig",
)  # fmt: skip


def check(workload, objects):
    if is_server(workload):
        return
    spec = template(workload)["spec"]
    for deployment in filter(is_server, workloads(objects)):
        for key in KEYS:
            expected = template(deployment)["spec"].get(key)
            if spec.get(key) != expected:
                yield f"{key} is {spec.get(key)}, and the server has {expected}"
