"""For all values: clients reach only the port http of the server, the admin port accepts only listed peers, and each egress rule
of each policy has ports or peers. expected/policies.yaml has the policies for each of ci/*-values.yaml."""

from rendered_objects import find, is_server


def check(workload, objects):
    policies = [item for item in objects if item["kind"] == "NetworkPolicy"]
    if not is_server(workload) or not policies:
        return
    spec = find(objects, "NetworkPolicy", workload["metadata"]["name"])["spec"]
    if spec["policyTypes"] != ["Ingress", "Egress"]:
        yield f"its NetworkPolicy covers {spec['policyTypes']}"
    for rule in spec["ingress"]:
        ports = [port["port"] for port in rule.get("ports", [])]
        if ports != ["http"] and not (ports == ["admin"] and rule.get("from")):
            yield f"allows any source on {ports or 'any port'}"
    for policy in policies:
        for rule in policy["spec"]["egress"]:
            ports = [port["port"] for port in rule.get("ports", [])]
            if not ports and not rule.get("to"):
                yield f"{policy['metadata']['name']} allows any egress"
            if 53 in ports and not rule.get("to"):
                yield f"{policy['metadata']['name']} allows DNS to any destination"
