"""What of docker-compose.yml can be wrong without a look-alike telling, as that is not the image which will run.

    docker-compose config | stack.py
"""

import json
import os
import re
import sys
import tomllib

import yaml

# Where each image that is not ours writes, by its own documentation; all else of it is read-only.
WRITES = {
    "haproxy": set(),
    "redis": {"/data"},
    "prometheus": {"/prometheus"},
    "grafana": {"/var/lib/grafana", "/tmp"},
}
REPLICAS = {"rendezvous-1", "rendezvous-2", "rendezvous-3"}

config = yaml.safe_load(sys.stdin)
services = config["services"]
defaults = tomllib.load(open("config/default.toml", "rb"))
assert set(services) == set(WRITES) | REPLICAS, services.keys()


def mounts(name):
    """Target to source."""
    found = {}
    for volume in services[name].get("volumes", []):
        if isinstance(volume, dict):
            found[volume["target"]] = volume["source"]
        else:
            source, target = volume.split(":")[:2]
            found[target] = source
    return found


def seconds(text):
    minutes, rest = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text).groups()
    return int(minutes or 0) * 60 + int(rest or 0)


def descriptors(name):
    limit = services[name]["ulimits"]["nofile"]
    return limit["soft"] if isinstance(limit, dict) else limit


for name, service in services.items():
    assert service["read_only"] is True, f"{name} can write to its image"
    assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
    for target, source in mounts(name).items():
        assert not source.startswith(("/", ".")) or os.path.isfile(source), f"{name}: {source} is mounted, and is no file"
for name, paths in WRITES.items():
    writable = {target for target, source in mounts(name).items() if source in config["volumes"]}
    writable |= set(services[name].get("tmpfs", []))
    assert paths <= writable, f"{name} cannot write to {paths - writable}"
    for target in mounts(name):
        assert target in writable or not any(target.startswith(f"{path}/") for path in writable), f"{name}: {target} would be hidden"

for name in REPLICAS:
    # What else is open: listeners, Redis, logs, the runtime's own.
    assert descriptors(name) >= defaults["http"]["max_connections"] + 100, f"{name}: more connections than descriptors"
    # 5 s: how long the last traces may take.
    takes = sum(seconds(defaults["shutdown"][key]) for key in ("grace", "drain")) + 5
    assert seconds(services[name]["stop_grace_period"]) > takes, f"{name} is killed before its {takes} s are over"
haproxy = open("deploy/compose/haproxy.cfg").read()
[maxconn] = re.findall(r"^ +maxconn (\d+)$", haproxy, re.M)
# 300: listeners, checks, and a few for each of up to 64 threads.
assert descriptors("haproxy") >= 2 * int(maxconn) + 300, "haproxy: more connections than descriptors"

# Grafana finds what is mounted, and by it Prometheus.
grafana, mounted = services["grafana"], mounts("grafana")
provisioning = {}
for kind in ("datasources", "dashboards"):
    [source] = [source for target, source in mounted.items() if re.fullmatch(rf"/etc/grafana/provisioning/{kind}/[^/]+\.yml", target)]
    provisioning[kind] = yaml.safe_load(open(source))
[board] = [target for target, source in mounted.items() if source.endswith("deploy/grafana/dashboard.json")]
[provider] = provisioning["dashboards"]["providers"]
assert provider["type"] == "file" and provider["options"]["path"] == os.path.dirname(board), f"{board} is not where Grafana looks"
assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == board
[source] = provisioning["datasources"]["datasources"]
host, port = re.fullmatch(r"http://([a-z]+):(\d+)", source["url"]).groups()
assert source["isDefault"] and source["access"] == "proxy" and source["uid"], source
assert host == "prometheus" and set(services[host]["networks"]) & set(grafana["networks"]), f"Grafana does not reach {host}"
# The port that is published is the one that it listens on.
[published] = services[host]["ports"]
assert port == (str(published["target"]) if isinstance(published, dict) else published.split(":")[-1].split("/")[0]), port
dashboard = json.load(open("deploy/grafana/dashboard.json"))
[variable] = [one for one in dashboard["templating"]["list"] if one["type"] == "datasource"]
assert variable["query"] == source["type"], "the dashboard asks for another kind of source"
asked = json.dumps(dashboard["panels"] + dashboard["templating"]["list"])
uids = {(kind, uid) for kind, uid in re.findall(r'"datasource": {"type": "([^"]*)", "uid": "([^"]*)"}', asked)}
assert uids == {(source["type"], f"${{{variable['name']}}}")}, uids
print(f"ok  {len(services)} services write where they must and nowhere else; Grafana finds its dashboard and Prometheus")
