"""Clients reach http by the Service, and nothing else; the admin port has a Service of its own where something scrapes by
one, without an address, and of pods that are not ready too, which have most to tell. Redis has one of its own."""

from rendered_objects import containers, find

PORTS = {"http": 8080, "admin": 8081}


def check(workload, objects):
    if workload["kind"] != "Deployment":
        return
    name = workload["metadata"]["name"]
    [container] = containers(workload)
    if container.get("args") != ["serve"] or "command" in container:
        yield f"runs {container.get('command')} {container.get('args')}"
    if {port["name"]: port["containerPort"] for port in container["ports"]} != PORTS:
        yield f"has ports {container['ports']}"
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    anywhere = environment["RENDEZVOUS_HTTP__LISTEN"].removesuffix(":8080")
    listens = {f"RENDEZVOUS_{port.upper()}__LISTEN": f"{anywhere}:{number}" for port, number in PORTS.items()}
    if anywhere not in ("0.0.0.0", "[::]") or not listens.items() <= environment.items():
        yield f"listens at {environment}"
    for of in (of for of in objects if of["kind"] == "Service"):
        spec, suffix = of["spec"], of["metadata"]["name"].removeprefix(name)
        [port] = spec["ports"]
        target = {"": "http", "-metrics": "admin", "-redis": "redis"}[suffix]
        if (port["name"], port["targetPort"], port["protocol"]) != (target, target, "TCP"):
            yield f"Service {of['metadata']['name']} leads to {port}"
        if suffix == "" and port.get("appProtocol") != "http":
            yield "what is spoken is not said, so a mesh or a Gateway guesses"
        if suffix == "-metrics" and (spec.get("clusterIP"), spec.get("publishNotReadyAddresses")) != ("None", True):
            yield f"Service {of['metadata']['name']} is {spec}"
    if [of for of in objects if of["kind"] == "StatefulSet"]:
        find(objects, "Service", f"{name}-redis")
