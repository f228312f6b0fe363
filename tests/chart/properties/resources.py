"""Every container requests CPU and memory, and has a memory limit. The server, which the internet can reach, also has a CPU
limit."""

from rendered_objects import containers, is_server


def check(workload, objects):
    for container in containers(workload):
        resources = container.get("resources", {})
        limits = ("cpu", "memory") if is_server(workload) else ("memory",)
        for kind, names in {"requests": ("cpu", "memory"), "limits": limits}.items():
            for name in names:
                if not resources.get(kind, {}).get(name):
                    yield f"{container['name']} has no {kind}.{name}"
