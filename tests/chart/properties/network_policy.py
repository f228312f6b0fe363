"""Whatever the values are: clients come to http alone, the admin port is for those who are named, and each way out has its
ports or its peers. What each of ci/*-values.yaml makes of it is in expected/policies.yaml."""

from rendered_objects import find


def check(workload, objects):
    policies = [of for of in objects if of["kind"] == "NetworkPolicy"]
    if workload["kind"] != "Deployment" or not policies:
        return
    spec = find(objects, "NetworkPolicy", workload["metadata"]["name"])["spec"]
    if spec["policyTypes"] != ["Ingress", "Egress"]:
        yield "it does not say both ways"
    for rule in spec["ingress"]:
        ports = [port["port"] for port in rule.get("ports", [])]
        if ports != ["http"] and not (ports == ["admin"] and rule.get("from")):
            yield f"anyone may come in by {ports or 'any port'}"
    for rule in spec["egress"]:
        ports = [port["port"] for port in rule.get("ports", [])]
        if not ports and not rule.get("to"):
            yield "anything may go out"
        if 53 in ports and not rule.get("to"):
            yield "names are asked of anyone"
