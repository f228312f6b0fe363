"""The health check of a load balancer of GKE requests the readiness path at the HTTP port of the pods, with TLS if that port has TLS, as
often as the readiness probe does, and belongs to the Service."""

import json

from rendered_objects import config_of, containers, find, is_server

ANNOTATION = "cloud.google.com/backend-config"


def check(workload, objects):
    if not is_server(workload):
        return
    name = workload["metadata"]["name"]
    checks = [item for item in objects if item["kind"] in ("HealthCheckPolicy", "BackendConfig")]
    annotation = find(objects, "Service", name)["metadata"].get("annotations", {}).get(ANNOTATION)
    if bool(annotation) != any(item["kind"] == "BackendConfig" for item in checks):
        yield f"the Service has the annotation {ANNOTATION}: {annotation}"
    for item in checks:
        http = config_of(objects, name)["http"]
        scheme = "https" if "tls_cert_file" in http else "http"
        if item["kind"] == "BackendConfig":
            numbers = item["spec"]["healthCheck"]
            request, kind = numbers, numbers["type"]
            if json.loads(annotation) != {"default": item["metadata"]["name"]}:
                yield f"the Service names the BackendConfig {annotation}"
        else:
            numbers = item["spec"]["default"]
            request, kind = numbers["config"][f"{scheme}HealthCheck"], numbers["config"]["type"]
            if item["spec"]["targetRef"] != {"group": "", "kind": "Service", "name": name}:
                yield f"the HealthCheckPolicy is for {item['spec']['targetRef']}"
        [server] = [container for container in containers(workload) if container["name"] == "matrix-rendezvous"]
        ports = {port["name"]: port["containerPort"] for port in server["ports"]}
        expected = (ports["http"], http["readiness_path"])
        if (request["port"], request["requestPath"]) != expected:
            yield f"the health check requests {request}, expected {expected}"
        if kind != scheme.upper():
            yield f"the health check uses {kind}, the port {scheme}"
        probe = server["readinessProbe"]
        expected = [probe[key] for key in ("periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold")]
        found = [numbers[key] for key in ("checkIntervalSec", "timeoutSec", "healthyThreshold", "unhealthyThreshold")]
        if found != expected:
            yield f"the health check has the numbers {found}, the readiness probe {expected}"
