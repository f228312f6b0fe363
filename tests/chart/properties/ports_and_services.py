"""The main Service exposes only the port http. With a ServiceMonitor, the admin port has a separate headless Service that
includes pods which are not ready, because their metrics matter most. Redis and the doctor have a separate Service."""

from rendered_objects import config_of, find, is_server, own_containers, scheme_of

PORTS = {"http": 8080, "admin": 8081}
# Suffix of the Service's name, and the port that it leads to.
TARGET_PORTS = {"": "http", "-metrics": "admin", "-redis": "redis", "-doctor": "metrics"}


def check_container(container):
    if container.get("args") != ["serve"] or "command" in container:
        yield f"runs {container.get('command')} {container.get('args')}"
    if {port["name"]: port["containerPort"] for port in container["ports"]} != PORTS:
        yield f"has the ports {container['ports']}"
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    address = environment["RENDEZVOUS_HTTP__LISTEN"].removesuffix(":8080")
    expected = {f"RENDEZVOUS_{port.upper()}__LISTEN": f"{address}:{number}" for port, number in PORTS.items()}
    if address not in ("", "0.0.0.0", "[::]") or not expected.items() <= environment.items():
        yield f"has the listen addresses in {environment}"


def check_service(service, suffix, scheme):
    name, spec = service["metadata"]["name"], service["spec"]
    [port] = spec["ports"]
    target = TARGET_PORTS[suffix]
    if (port["name"], port["targetPort"], port["protocol"]) != (target, target, "TCP"):
        yield f"Service {name} has the port {port}"
    if suffix == "" and port.get("appProtocol") != scheme:
        yield f"Service {name} has not the appProtocol {scheme}, so a mesh or a Gateway must guess it"
    if suffix == "-metrics" and (spec.get("clusterIP"), spec.get("publishNotReadyAddresses")) != ("None", True):
        yield f"Service {name} must be headless and include unready pods: {spec}"


def check(workload, objects):
    if not is_server(workload):
        return
    name = workload["metadata"]["name"]
    [container] = own_containers(workload)
    yield from check_container(container)
    for item in objects:
        if item["kind"] == "Service":
            yield from check_service(item, item["metadata"]["name"].removeprefix(name), scheme_of(config_of(objects, name)))
    if any(item["kind"] == "StatefulSet" for item in objects):
        find(objects, "Service", f"{name}-redis")
