"""The doctor checks what the values name: a server, or each public base URL. From outside, it has no configuration and no secrets.
From inside, it has the server's configuration and files, and may connect to what the server connects to. With --watch it serves its
metrics on the listen address of the values, without a second doctor at a time. A CronJob runs it once, without a repetition."""

from rendered_objects import config_of, find, is_doctor, is_server, own_containers, public_base_urls, template

CA = "/run/ca/platform/ca.pem"
# doctor.server in ci/monitoring-scaling-values.yaml.
NAMED = {"rendezvous": ["example.org"]}
EMPTY = [{"name": f"RENDEZVOUS_{name}__LISTEN", "value": ""} for name in ("HTTP", "ADMIN")]


def check_run(workload, arguments, address):
    """Checks how often it runs, and returns the other arguments in `arguments`."""
    spec = workload["spec"]
    if workload["kind"] == "CronJob":
        job = spec["jobTemplate"]["spec"]
        if (job["backoffLimit"], spec["concurrencyPolicy"], template(workload)["spec"]["restartPolicy"]) != (0, "Forbid", "Never"):
            yield f"repeats a failed run: {spec}"
        if not job["activeDeadlineSeconds"] <= 300 or not spec["startingDeadlineSeconds"]:
            yield f"has runs without an end: {spec}"
        return
    watch = arguments[:4]
    del arguments[:4]
    if watch not in [["--watch", interval, "--metrics-listen", f"{address}:8082"] for interval in ("30s", "60s")]:
        yield f"watches with {watch}"
    if spec["replicas"] != 1 or spec["strategy"] != {"type": "Recreate"}:
        yield f"runs several doctors: {spec['replicas']}, {spec['strategy']}"
    [port] = own_containers(workload)[0]["ports"]
    if port != {"name": "metrics", "containerPort": 8082, "protocol": "TCP"}:
        yield f"has the port {port}"


def egress_of(objects, name):
    policies = [item["spec"] for item in objects if item["kind"] == "NetworkPolicy" and item["metadata"]["name"] == name]
    return policies[0]["egress"] if policies else []


def check(workload, objects):
    if not is_doctor(workload):
        return
    [server] = filter(is_server, objects)
    name = server["metadata"]["name"]
    [own], [servers] = own_containers(workload), own_containers(server)
    command, *arguments = own["args"]
    if command != "doctor" or workload["metadata"]["name"] != f"{name}-doctor":
        yield f"runs {own['args']}"
    is_inside = own["env"] != EMPTY
    config, mounts = config_of(objects, name), own.get("volumeMounts", [])
    environment = {variable["name"]: variable.get("value") for variable in servers["env"]}
    yield from check_run(workload, arguments, environment["RENDEZVOUS_HTTP__LISTEN"].removesuffix(":8080"))
    if any(f"{mount['mountPath']}/ca.pem" == CA for mount in mounts):
        if arguments[:2] != ["--ca-file", CA]:
            yield f"does not trust the CA of the values: {arguments}"
        del arguments[:2]
    targets = NAMED.get(name) or public_base_urls(config)
    if (arguments or public_base_urls(config)) != targets or not (arguments or is_inside):
        yield f"checks {arguments}"
    if is_inside:
        volumes = [template(item)["spec"].get("volumes") for item in (workload, server)]
        if own["env"] != servers["env"] or own.get("envFrom") != servers.get("envFrom") or mounts != servers["volumeMounts"] or volumes[0] != volumes[1]:
            yield "has another configuration than the server"
        outside = [rule for rule in egress_of(objects, name) if rule not in egress_of(objects, f"{name}-doctor")]
        if outside:
            yield f"cannot connect to {outside}, and the server can"
    elif own.get("envFrom") or "/etc/matrix-rendezvous" in str(mounts) or "secret" in str(template(workload)["spec"].get("volumes")):
        yield f"has more than it needs: {mounts}"
    find(objects, "ServiceAccount", template(workload)["spec"]["serviceAccountName"])
