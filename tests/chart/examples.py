"""Checks the complete values files in the chart's directory examples/: what an operator relies on in their objects, and that
every name an operator must change is in a line marked "# CHANGE".

    examples.py EXAMPLES ROUTING ESS_RENDERED SYNAPSE_RENDERED

EXAMPLES: the directory with the values files. ROUTING: docs/routing.md, with the lines for the values of the suite.
"""

import re
import sys
from urllib.parse import urlsplit

import yaml
from properties.ingress_and_httproute import PREFIXES
from rendered_objects import config_of, find, is_server, load, secrets, template

# Strings that do not depend on the site, so that a line without the mark may have them.
SAME_EVERYWHERE = {"authenticated", "rendezvous", "rendezvous-redis", "password"}
ERRORS = []


def expect(what, found, expected):
    if found != expected:
        ERRORS.append(f"{what}: expected {expected}, found {found}")


def strings(node):
    """Yields the line of each string in a YAML document, and the string, without keys."""
    if isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from strings(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from strings(value)
    elif node.tag == "tag:yaml.org,2002:str":
        yield node.start_mark.line, node.value


def check_marks(path):
    """The marked lines are those with a string that an operator must change. A port has a mark too."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    lines = text.splitlines()
    for number, value in strings(yaml.compose(text, yaml.SafeLoader)):
        if value not in SAME_EVERYWHERE and "# CHANGE: " not in lines[number]:
            ERRORS.append(f"{path}:{number + 1}: {value} has no mark")
    for number, line in enumerate(lines):
        if "CHANGE" in line and not line.startswith("#") and not re.search(r"\S # CHANGE: \S", line):
            ERRORS.append(f"{path}:{number + 1}: expected a mark with what to change, such as '# CHANGE: the host'")


def suite_paths(routing):
    """Returns the paths that docs/routing.md adds to the Ingress of the suite."""
    with open(routing, encoding="utf-8") as file:
        code = re.search(r"<!-- snippet: ess -->\n```yaml\n(.*?)```", file.read(), re.DOTALL)
    return yaml.safe_load(code[1])["synapse"]["ingress"]["additionalPaths"]


def check_common(objects):
    """Returns the name of the server and its NetworkPolicy."""
    [server] = filter(is_server, objects)
    name = server["metadata"]["name"]
    config = config_of(objects, name)
    expect("mode", config["mode"], "authenticated")
    expect("the dialect of released clients", config["msc4108"], {"enabled": True})
    if not config["http"]["trusted_proxies"]:
        ERRORS.append(f"{name}: without trusted proxies all clients share one limit")
    expect("Secrets of the chart", secrets(objects), {})
    expect("the password of Redis", config["store"]["redis"]["password_file"], "/run/secrets/redis-password/password")
    mounted = [volume["secret"]["secretName"] for volume in template(server)["spec"]["volumes"] if "secret" in volume]
    expect("mounted Secrets", mounted, ["rendezvous-redis"])
    policy = find(objects, "NetworkPolicy", name)["spec"]
    clients = [peer for rule in policy["ingress"] if rule["ports"][0]["port"] == "http" for peer in rule["from"]]
    if not any("namespaceSelector" in peer for peer in clients):
        ERRORS.append(f"{name}: the ingress controller is not among the clients {clients}")
    expect("unavailable pods of each PodDisruptionBudget", [item["spec"]["maxUnavailable"] for item in objects if item["kind"] == "PodDisruptionBudget"], [1])
    return name, config, policy


def egress(policy, port):
    """Returns the destinations that a policy allows on a port."""
    return [peer for rule in policy["egress"] if port in [item["port"] for item in rule["ports"]] for peer in rule["to"]]


def labels(peers):
    return [peer["podSelector"]["matchLabels"] for peer in peers]


def check_ess(objects, paths):
    name, config, policy = check_common(objects)
    service = find(objects, "Service", name)
    [port] = service["spec"]["ports"]
    expect("the paths in docs/routing.md", [entry["path"] for entry in paths], PREFIXES)
    for entry in paths:
        expect("the Service in docs/routing.md", entry["service"], {"name": name, "port": {"number": port["port"]}})
    expect("routes of the chart", [item["kind"] for item in objects if item["kind"] in ("Ingress", "HTTPRoute")], [])
    homeserver = urlsplit(config["auth"]["homeserver_url"])
    expect("the port of the suite's haproxy", homeserver.port, 8008)
    release = homeserver.hostname.removesuffix("-synapse")
    expect("pods of the suite's haproxy", labels(egress(policy, 8008)), [{"app.kubernetes.io/instance": f"{release}-haproxy"}])
    redis = find(objects, "StatefulSet", f"{name}-redis")
    expect("the Redis", config["store"]["redis"]["url"], f"redis://{redis['metadata']['name']}:6379")
    [variable] = template(redis)["spec"]["containers"][0]["env"]
    expect("the Secret of the Redis", variable["valueFrom"]["secretKeyRef"], {"name": "rendezvous-redis", "key": "password"})


def check_synapse_mas(objects):
    name, config, policy = check_common(objects)
    host = urlsplit(config["http"]["public_base_url"]).hostname
    [ingress] = [item["spec"] for item in objects if item["kind"] == "Ingress"]
    expect("hosts of the Ingress", [rule["host"] for rule in ingress["rules"]], [host])
    expect("hosts of its certificate", [hosts["hosts"] for hosts in ingress["tls"]], [[host]])
    expect("the class of the Ingress", ingress["ingressClassName"], "nginx")
    expect("the port of Synapse", urlsplit(config["auth"]["homeserver_url"]).port, 8008)
    expect("pods of Synapse", labels(egress(policy, 8008)), [{"app.kubernetes.io/name": "synapse"}])
    expect("pods of Redis", labels(egress(policy, 6379)), [{"app.kubernetes.io/name": "redis"}])
    expect("StatefulSets", [item["metadata"]["name"] for item in objects if item["kind"] == "StatefulSet"], [])
    [autoscaler] = [item["spec"] for item in objects if item["kind"] == "HorizontalPodAutoscaler"]
    expect("replicas", (autoscaler["minReplicas"], autoscaler["maxReplicas"]), (2, 4))
    for kind in ("ServiceMonitor", "PrometheusRule"):
        expect(f"label of {kind}", find(objects, kind, name)["metadata"]["labels"].get("release"), "kube-prometheus-stack")
    find(objects, "ConfigMap", f"{name}-dashboard")


def main(examples, routing, ess, synapse_mas):
    for name in ("ess", "synapse-mas"):
        check_marks(f"{examples}/{name}-values.yaml")
    check_ess(load(ess), suite_paths(routing))
    check_synapse_mas(load(synapse_mas))
    print("the complete values files: objects and marks are as expected")
    sys.exit("\n".join(ERRORS) or 0)


main(*sys.argv[1:])
