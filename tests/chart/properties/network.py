"""The policy: clients come to http alone, the admin port is for scrapers that are named; out go DNS, Redis at the ports
of its URL, and the homeserver at those of the configuration."""

import re
import tomllib

from objects import containers, find


def check(workload, objects):
    policies = [of for of in objects if of["kind"] == "NetworkPolicy"]
    if workload["kind"] != "Deployment" or not policies:
        return
    name = workload["metadata"]["name"]
    spec = find(objects, "NetworkPolicy", name)["spec"]
    if spec["policyTypes"] != ["Ingress", "Egress"]:
        yield "it does not say both ways"
    for rule in spec["ingress"]:
        ports = [port["port"] for port in rule.get("ports", [])]
        if ports != ["http"] and not (ports == ["admin"] and rule.get("from")):
            yield f"anyone may come in by {ports or 'any port'}"
    out = set()
    for rule in spec["egress"]:
        if not rule.get("ports") and not rule.get("to"):
            yield "anything may go out"
        out |= {port["port"] for port in rule.get("ports", [])}
    config = find(objects, "ConfigMap", name)["data"]["matrix-rendezvous.toml"]
    tomllib.loads(config)
    own = [of["stringData"] for of in objects if of["kind"] == "Secret"]
    urls = [secret["redis-url"] for secret in own if "redis-url" in secret]
    for container in containers(workload):
        urls += [variable["value"] for variable in container["env"] if variable["name"].endswith("REDIS__URL")]
    needs = {53} | {int(port) for url in urls for port in re.findall(r"[^:/]:(\d+)(?=[/?&]|$)", url)}
    for scheme, port in re.findall(r'(?:homeserver_url|endpoint) = "(https?)://[^/":]+(?::(\d+))?', config):
        needs.add(int(port or {"http": 80, "https": 443}[scheme]))
    if not needs <= out:
        yield f"it needs ports {sorted(needs)}, and may go out to {sorted(out)}"
