"""The server's image is of the chart's appVersion unless the values name another; no image is whatever is newest."""

from rendered_objects import containers

OTHERS = (":1.2.3", "@sha256:")  # of ci/*-values.yaml


def check(workload, objects):
    for container in containers(workload):
        image = container["image"]
        if image.endswith(":latest") or not (":" in image.rsplit("/", 1)[-1]):
            yield f"{container['name']} is {image}"
        if container["imagePullPolicy"] not in ("IfNotPresent", "Always"):
            yield f"{container['name']} is fetched {container['imagePullPolicy']}"
        if workload["kind"] == "Deployment":
            own = f":{workload['metadata']['labels']['app.kubernetes.io/version']}"
            if not image.endswith(own) and not any(other in image for other in OTHERS):
                yield f"{container['name']} is {image}, and the chart of {own}"
