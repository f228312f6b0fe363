"""Every container asks for processor and memory, and is held to memory."""

from objects import containers


def check(workload, objects):
    for container in containers(workload):
        resources = container.get("resources", {})
        for kind, names in {"requests": ("cpu", "memory"), "limits": ("memory",)}.items():
            for name in names:
                if not resources.get(kind, {}).get(name):
                    yield f"{container['name']} has no {kind}.{name}"
