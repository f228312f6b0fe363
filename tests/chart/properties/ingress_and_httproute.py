"""Ingress and HTTPRoute route exactly the three path prefixes, on listed hosts, to the port of the Service. The hosts include
every host of a session URL."""

from urllib.parse import urlsplit

from rendered_objects import config_of, find, is_server, public_base_urls

PREFIXES = [
    "/_matrix/client/unstable/io.element.msc4388/rendezvous",
    "/_matrix/client/unstable/org.matrix.msc4108/rendezvous",
    "/_matrix/client/v1/rendezvous",
]
# In ci/sentinel-tls-values.yaml.
TIMEOUTS = {"request": "45s", "backendRequest": "40s"}


def session_hosts(config):
    """The hosts of public_base_url in the configuration."""
    return {urlsplit(url).hostname for url in public_base_urls(config)}


def check_ingress(spec, service, port):
    backend = {"service": {"name": service, "port": {"name": port["name"]}}}
    for rule in spec["rules"]:
        # All paths have the same type. ci/cluster-homeservers-values.yaml sets ImplementationSpecific.
        types = {path["pathType"] for path in rule["http"]["paths"]} & {"Prefix", "ImplementationSpecific"}
        paths = [{"path": path, "pathType": "".join(types), "backend": backend} for path in PREFIXES]
        if rule["http"] != {"paths": paths}:
            yield f"the Ingress routes {rule['http']}"


def check_httproute(spec, service, port):
    matches = [{"path": {"type": "PathPrefix", "value": path}} for path in PREFIXES]
    if spec["rules"] != [{"matches": matches, "timeouts": TIMEOUTS, "backendRefs": [{"name": service, "port": port["port"]}]}]:
        yield f"the HTTPRoute routes {spec['rules']}"
    if not spec.get("parentRefs"):
        yield "the HTTPRoute has no Gateway"


def check(workload, objects):
    if not is_server(workload):
        return
    service = workload["metadata"]["name"]
    [port] = find(objects, "Service", service)["spec"]["ports"]
    required_hosts = session_hosts(config_of(objects, service))
    for item in objects:
        spec = item.get("spec", {})
        if item["kind"] == "Ingress":
            yield from check_ingress(spec, service, port)
            hosts = [rule.get("host") for rule in spec["rules"]]
        elif item["kind"] == "HTTPRoute":
            yield from check_httproute(spec, service, port)
            hosts = spec.get("hostnames", [])
        else:
            continue
        if not hosts or not all(hosts) or len(set(hosts)) != len(hosts):
            yield f"{item['kind']} has the hosts {hosts}"
        if not required_hosts <= set(hosts):
            yield f"{item['kind']} has the hosts {hosts}, and session URLs have {required_hosts}"
