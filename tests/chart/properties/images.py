"""The server's image, which the doctor runs in too, has the chart's appVersion unless the values set another tag. No image is
`latest`."""

from rendered_objects import containers

TAGS_IN_VALUES = (":1.2.3", "@sha256:")  # set in ci/*-values.yaml


def check(workload, objects):
    for container in containers(workload):
        name, image = container["name"], container["image"]
        if image.endswith(":latest") or ":" not in image.rsplit("/", 1)[-1]:
            yield f"{name} has the image {image} without a fixed tag"
        if container["imagePullPolicy"] not in ("IfNotPresent", "Always"):
            yield f"{name} has the pull policy {container['imagePullPolicy']}"
        if container["args"][0] in ("serve", "doctor"):
            app_version = f":{workload['metadata']['labels']['app.kubernetes.io/version']}"
            if not image.endswith(app_version) and not any(tag in image for tag in TAGS_IN_VALUES):
                yield f"{name} has the image {image}, and the chart has the appVersion {app_version}"
