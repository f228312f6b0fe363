"""Every pod of the release has the same scheduling fields and image pull secrets as the Deployment."""

from rendered_objects import template, workloads

KEYS = ("imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations")


def check(workload, objects):
    if workload["kind"] == "Deployment":
        return
    spec = template(workload)["spec"]
    for deployment in workloads(objects):
        if deployment["kind"] != "Deployment":
            continue
        for key in KEYS:
            expected = template(deployment)["spec"].get(key)
            if spec.get(key) != expected:
                yield f"{key} is {spec.get(key)}, and the Deployment has {expected}"
