"""The first pod of `helm test` acts as two devices, at the host of the first homeserver, with the access token of the values or in
a dialect that needs none. If both dialects need one that is not there, or are off, it checks that a create request is rejected. If
the ETag dialect is on, two other pods run the doctor from outside: through the Service, and against each public base URL. All are
hooks, they end, and their logs remain until the next test."""

from rendered_objects import config_of, containers, find, public_base_urls, scheme_of

# What the script contains, by the dialect that it uses.
SCRIPT = {
    "json": ("io.element.msc4388/rendezvous", '"device two reads"', "IO_ELEMENT_MSC4388_CONCURRENT_WRITE", "-X DELETE", " 404"),
    "etag": ("org.matrix.msc4108/rendezvous", '"device two reads"', "If-Match", " 412", "-X DELETE", " 404"),
    "none": ('"status of a create request without an access token"',),
}
DOCTOR, SERVICE = "-test-doctor", "-test-service"
# In ci/*-values.yaml: tests.publicUrls is false, and tests.enabled is false.
WITHOUT_DOCTOR = ("rendezvous",)
# Seconds: a dozen requests of at most 10 s, and a run of the doctor.
LONGEST = {"-test": 120, SERVICE: 300, DOCTOR: 300}
# The homeserver in ci/authenticated-values.yaml, which has tests.token.
HOMESERVER_OF_TOKEN = "http://synapse.matrix.svc"
TOKEN_DIRECTORY = "/run/secrets/tests-token"


def has_token(config):
    return config.get("auth", {}).get("homeserver_url") == HOMESERVER_OF_TOKEN


def mounts_token(container):
    return TOKEN_DIRECTORY in [mount["mountPath"] for mount in container.get("volumeMounts", [])]


def check_devices(workload, server, objects):
    config = config_of(objects, server)
    homeserver = (config.get("auth", {}).get("homeserver") or [{}])[0]
    mode = homeserver.get("mode", config["mode"])
    if mode == "open" or has_token(config):
        dialect = "json"
    else:
        dialect = "etag" if config["msc4108"]["enabled"] else "none"
    [container] = containers(workload)
    [script] = container["args"]
    [port] = find(objects, "Service", server)["spec"]["ports"]
    expected = [*SCRIPT[dialect], f"base={scheme_of(config)}://{server}:{port['port']}/_matrix/client/unstable\n", "--max-time 10"]
    if has_token(config):
        expected.append("request -f -H @- $api -d")
    if has_token(config) != mounts_token(container):
        yield f"mounts {container.get('volumeMounts')}"
    if dialect == "none":
        expected.append({"authenticated": " 403", "off": " 404"}[mode])
    if "host" in homeserver:
        expected.append(f"-H 'Host: {homeserver['host'][0]}'")
    for text in expected:
        if text not in script:
            yield f"its script lacks {text}"
    if container["command"] != ["sh", "-euc"]:
        yield f"continues after a failure: {container['command']}"
    pods = {item["metadata"]["name"] for item in objects if item["kind"] == "Pod"}
    if config["msc4108"]["enabled"] != (server + DOCTOR in pods) and server not in WITHOUT_DOCTOR:
        yield f"the doctor is run without the ETag dialect, or not run with it: {pods}"
    if (config["msc4108"]["enabled"] and bool(public_base_urls(config))) != (server + SERVICE in pods):
        yield f"the doctor is run through the Service without the ETag dialect, or not run with it: {pods}"


def check_service(workload, server, objects):
    [port] = find(objects, "Service", server)["spec"]["ports"]
    config = config_of(objects, server)
    via = ["--via", f"{scheme_of(config)}://{server}:{port['port']}"]
    yield from check_doctors(workload, via, config, public_base_urls(config)[:1])


def check_doctor(workload, server, objects):
    config = config_of(objects, server)
    yield from check_doctors(workload, [], config, public_base_urls(config))


def check_doctors(workload, more, config, expected):
    targets = []
    for container in containers(workload):
        *options, target = container["args"]
        targets.append(target)
        ca = ["--ca-file", "/run/ca/platform/ca.pem"] if "/run/ca/platform" in str(container.get("volumeMounts")) else []
        token = ["--token-file", f"{TOKEN_DIRECTORY}/token"] if has_token(config) else []
        if options != ["doctor", *more, *ca, *token] or bool(token) != mounts_token(container):
            yield f"runs {container['args']}"
        # The image sets these two. With a value they are a configuration, which is checked from inside.
        if container["env"] != [{"name": f"RENDEZVOUS_{name}__LISTEN", "value": ""} for name in ("HTTP", "ADMIN")]:
            yield f"checks more than the public URL: {container['env']}"
    if targets != expected:
        yield f"checks {targets}"


def check(workload, objects):
    if workload["kind"] != "Pod":
        return
    name = workload["metadata"]["name"]
    kinds = ((DOCTOR, check_doctor, "2"), (SERVICE, check_service, "1"), ("-test", check_devices, None))
    suffix, check_pod, weight = next(kind for kind in kinds if name.endswith(kind[0]))
    yield from check_pod(workload, name.removesuffix(suffix), objects)
    spec, annotations = workload["spec"], workload["metadata"]["annotations"]
    if (annotations["helm.sh/hook"], annotations["helm.sh/hook-delete-policy"]) != ("test", "before-hook-creation"):
        yield f"is not a test hook: {annotations}"
    if annotations.get("helm.sh/hook-weight") != weight:
        yield f"does not run after the test through the Service: {annotations}"
    if spec["restartPolicy"] != "Never" or not spec["activeDeadlineSeconds"] <= LONGEST[suffix]:
        yield "has no end"
