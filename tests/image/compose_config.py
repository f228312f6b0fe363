"""Checks the parts of docker-compose.yml that a test with stand-in images cannot cover: writable paths, file descriptors, stop
times, and the provisioning of Grafana.

    docker-compose --profile doctor config | compose_config.py
"""

import json
import os
import re
import sys
import tomllib

import yaml

# The paths to which each third-party image writes, according to its documentation. Everything else is read-only.
WRITABLE_PATHS = {
    "haproxy": set(),
    "redis": {"/data"},
    "prometheus": {"/prometheus"},
    "grafana": {"/var/lib/grafana", "/tmp"},
    "doctor": set(),
}
# The variables that the Dockerfile sets.
IMAGE_VARIABLES = set(re.findall(r"\bRENDEZVOUS_[A-Z_]+(?==)", open("Dockerfile").read()))
REPLICAS = {"rendezvous-1", "rendezvous-2", "rendezvous-3"}

config = yaml.safe_load(sys.stdin)
services = config["services"]
defaults = tomllib.load(open("config/default.toml", "rb"))
assert set(services) == set(WRITABLE_PATHS) | REPLICAS, services.keys()


def mounts(name):
    """Returns the volumes of a service: mount path to source."""
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


def file_descriptors(name):
    """Returns the limit on open files of a service."""
    limit = services[name]["ulimits"]["nofile"]
    return limit["soft"] if isinstance(limit, dict) else limit


for name, service in services.items():
    assert service["read_only"] is True, f"{name} can write to its image"
    assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
    for target, source in mounts(name).items():
        assert not source.startswith(("/", ".")) or os.path.isfile(source), f"{name}: {source} is mounted, but is not a file"
for name, paths in WRITABLE_PATHS.items():
    writable = {target for target, source in mounts(name).items() if source in config["volumes"]}
    writable |= set(services[name].get("tmpfs", []))
    assert paths <= writable, f"{name} cannot write to {paths - writable}"
    for target in mounts(name):
        assert target in writable or not any(target.startswith(f"{path}/") for path in writable), f"{name}: {target} would be hidden by a volume"

for name in REPLICAS:
    # 100: listeners, connections to Redis, logs, and the runtime's own descriptors.
    assert file_descriptors(name) >= defaults["http"]["max_connections"] + 100, f"{name}: more connections than descriptors"
    # 5 s: the timeout of the last trace export.
    shutdown_time = sum(seconds(defaults["shutdown"][key]) for key in ("grace", "drain")) + 5
    assert seconds(services[name]["stop_grace_period"]) > shutdown_time, f"{name} is killed within its shutdown time of {shutdown_time} s"
haproxy = open("deploy/compose/haproxy.cfg").read()
[maxconn] = re.findall(r"^ +maxconn (\d+)$", haproxy, re.M)
# 300: listeners, health checks, and a few descriptors for each of up to 64 threads.
assert file_descriptors("haproxy") >= 2 * int(maxconn) + 300, "haproxy: more connections than descriptors"

# The doctor runs on request only, from outside: it shares no network with haproxy, and has no configuration.
doctor = services["doctor"]
assert doctor["profiles"] == ["doctor"], doctor["profiles"]
assert not set(doctor["networks"]) & set(services["haproxy"]["networks"]), doctor["networks"]
assert not any(doctor["environment"].values()) and set(doctor["environment"]) == IMAGE_VARIABLES, doctor["environment"]
# Prometheus scrapes its metrics, by a job without "rendezvous" in its name.
jobs = {job["job_name"]: job for job in yaml.safe_load(open("deploy/compose/prometheus.yml"))["scrape_configs"]}
[found] = [job["dns_sd_configs"] for name, job in jobs.items() if "rendezvous" not in name]
address = doctor["command"][doctor["command"].index("--metrics-listen") + 1]
assert [(name, f"0.0.0.0:{target['port']}") for target in found for name in target["names"]] == [("doctor", address)], found
assert set(doctor["networks"]) & set(services["prometheus"]["networks"]), "Prometheus cannot reach the doctor"

# Grafana finds the mounted dashboard and data source, and the data source leads to Prometheus.
grafana, mounted = services["grafana"], mounts("grafana")
provisioning = {}
for kind in ("datasources", "dashboards"):
    [source] = [source for target, source in mounted.items() if re.fullmatch(rf"/etc/grafana/provisioning/{kind}/[^/]+\.yml", target)]
    provisioning[kind] = yaml.safe_load(open(source))
[board] = [target for target, source in mounted.items() if source.endswith("deploy/grafana/dashboard.json")]
[provider] = provisioning["dashboards"]["providers"]
assert provider["type"] == "file" and provider["options"]["path"] == os.path.dirname(board), f"the provider does not cover {board}"
assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == board
[source] = provisioning["datasources"]["datasources"]
host, port = re.fullmatch(r"http://([a-z]+):(\d+)", source["url"]).groups()
assert source["isDefault"] and source["access"] == "proxy" and source["uid"], source
assert host == "prometheus" and set(services[host]["networks"]) & set(grafana["networks"]), f"Grafana shares no network with {host}"
# Prometheus listens on the port that is published.
[published] = services[host]["ports"]
assert port == (str(published["target"]) if isinstance(published, dict) else published.split(":")[-1].split("/")[0]), port
dashboard = json.load(open("deploy/grafana/dashboard.json"))
[variable] = [variable for variable in dashboard["templating"]["list"] if variable["type"] == "datasource"]
assert variable["query"] == source["type"], "the dashboard uses another type of data source"
queries = json.dumps(dashboard["panels"] + dashboard["templating"]["list"])
uids = {(kind, uid) for kind, uid in re.findall(r'"datasource": {"type": "([^"]*)", "uid": "([^"]*)"}', queries)}
assert uids == {(source["type"], f"${{{variable['name']}}}")}, uids
print(f"ok  {len(services)} services can write exactly where they must; Grafana finds its dashboard and Prometheus")
