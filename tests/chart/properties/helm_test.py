"""The pod of `helm test` acts as two devices, at the host of the first homeserver, in a dialect that needs no access token. If
both dialects need one or are off, it checks that a create request is rejected. It is a hook, it ends, and its log remains
until the next test."""

from rendered_objects import config_of, containers, find

# What the script contains, by the dialect that it uses.
SCRIPT = {
    "json": ("io.element.msc4388/rendezvous", '"device two reads"', "IO_ELEMENT_MSC4388_CONCURRENT_WRITE", "-X DELETE", " 404"),
    "etag": ("org.matrix.msc4108/rendezvous", '"device two reads"', "If-Match", " 412", "-X DELETE", " 404"),
    "none": ('"status of a create request without an access token"',),
}


def check(workload, objects):
    if workload["kind"] != "Pod":
        return
    server = workload["metadata"]["name"].removesuffix("-test")
    config = config_of(objects, server)
    homeserver = (config.get("auth", {}).get("homeserver") or [{}])[0]
    mode = homeserver.get("mode", config["mode"])
    if mode == "open":
        dialect = "json"
    else:
        dialect = "etag" if config["msc4108"]["enabled"] else "none"
    [container] = containers(workload)
    [script] = container["args"]
    [port] = find(objects, "Service", server)["spec"]["ports"]
    expected = [*SCRIPT[dialect], f"base=http://{server}:{port['port']}/_matrix/client/unstable\n", "--max-time 10"]
    if dialect == "none":
        expected.append({"authenticated": " 403", "off": " 404"}[mode])
    if "host" in homeserver:
        expected.append(f"-H 'Host: {homeserver['host'][0]}'")
    for text in expected:
        if text not in script:
            yield f"its script lacks {text}"
    if container["command"] != ["sh", "-euc"]:
        yield f"continues after a failure: {container['command']}"
    spec, annotations = workload["spec"], workload["metadata"]["annotations"]
    if (annotations["helm.sh/hook"], annotations["helm.sh/hook-delete-policy"]) != ("test", "before-hook-creation"):
        yield f"is not a test hook: {annotations}"
    # A dozen requests of at most 10 s.
    if spec["restartPolicy"] != "Never" or not spec["activeDeadlineSeconds"] <= 120:
        yield "has no end"
