"""What says where pods run, and what their images are fetched with, is on every pod of the release, and the same."""

from rendered_objects import template, workloads

KEYS = ("imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations")


def check(workload, objects):
    if workload["kind"] == "Deployment":
        return
    spec = template(workload)["spec"]
    for of in workloads(objects):
        if of["kind"] == "Deployment":
            for key in KEYS:
                if spec.get(key) != template(of)["spec"].get(key):
                    yield f"{key} is {spec.get(key)}, and not that of the Deployment"
