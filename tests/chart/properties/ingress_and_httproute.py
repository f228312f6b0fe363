"""An Ingress and an HTTPRoute send the three prefixes, each with what is below it, and nothing else, on hosts that are
named, to the port of our Service; on each host that a session's URL begins with."""

from urllib.parse import urlsplit

from rendered_objects import config_of, find

PREFIXES = [
    "/_matrix/client/unstable/io.element.msc4388/rendezvous",
    "/_matrix/client/unstable/org.matrix.msc4108/rendezvous",
    "/_matrix/client/v1/rendezvous",
]


def check(workload, objects):
    if workload["kind"] != "Deployment":
        return
    name = workload["metadata"]["name"]
    [port] = find(objects, "Service", name)["spec"]["ports"]
    config = config_of(objects, name)
    entries = config.get("auth", {}).get("homeserver") or [config["http"]]
    bases = {urlsplit(entry["public_base_url"]).hostname for entry in entries if "public_base_url" in entry}
    for of in objects:
        spec = of.get("spec", {})
        if of["kind"] == "Ingress":
            backend = {"service": {"name": name, "port": {"name": port["name"]}}}
            hosts = [rule.get("host") for rule in spec["rules"]]
            for rule in spec["rules"]:
                # The same by both: ci/cluster-homeservers-values.yaml has the other.
                kind = {path["pathType"] for path in rule["http"]["paths"]} & {"Prefix", "ImplementationSpecific"}
                paths = [{"path": path, "pathType": "".join(kind), "backend": backend} for path in PREFIXES]
                if rule["http"] != {"paths": paths}:
                    yield f"an Ingress routes {rule['http']}"
        elif of["kind"] == "HTTPRoute":
            matches = [{"path": {"type": "PathPrefix", "value": path}} for path in PREFIXES]
            hosts = spec.get("hostnames", [])
            if spec["rules"] != [{"matches": matches, "backendRefs": [{"name": name, "port": port["port"]}]}]:
                yield f"an HTTPRoute routes {spec['rules']}"
            if not spec.get("parentRefs"):
                yield "an HTTPRoute is of no Gateway"
        else:
            continue
        if not hosts or not all(hosts) or len(set(hosts)) != len(hosts):
            yield f"{of['kind']} is for hosts {hosts}"
        if not bases <= set(hosts):
            yield f"{of['kind']} is for hosts {hosts}, and sessions are at {bases}"
