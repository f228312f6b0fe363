"""What helm test runs is what two devices do, in a dialect that is open to anyone, at the host of the first homeserver; and
where neither is, that nobody comes in. It is a hook, it ends, and its log stays until the next time."""

from rendered_objects import config_of, containers, find

# What a script says, by what is open: JSON, ETag, or nothing.
SAYS = {
    "json": ("io.element.msc4388/rendezvous", '"device two reads"', "IO_ELEMENT_MSC4388_CONCURRENT_WRITE", "-X DELETE", " 404"),
    "etag": ("org.matrix.msc4108/rendezvous", '"device two reads"', "If-Match", " 412", "-X DELETE", " 404"),
    "nothing": ('"status of a create request without an access token"',),
}


def check(workload, objects):
    if workload["kind"] != "Pod":
        return
    name = workload["metadata"]["name"].removesuffix("-test")
    config = config_of(objects, name)
    first = (config.get("auth", {}).get("homeserver") or [{}])[0]
    mode = first.get("mode", config["mode"])
    way = "json" if mode == "open" else "etag" if config["msc4108"]["enabled"] else "nothing"
    [container] = containers(workload)
    [script] = container["args"]
    [port] = find(objects, "Service", name)["spec"]["ports"]
    says = [*SAYS[way], f"base=http://{name}:{port['port']}/_matrix/client/unstable\n", "--max-time 10"]
    if way == "nothing":
        says.append({"authenticated": " 403", "off": " 404"}[mode])
    if "host" in first:
        says.append(f"-H 'Host: {first['host'][0]}'")
    for text in says:
        if text not in script:
            yield f"does not say {text}"
    if container["command"] != ["sh", "-euc"]:
        yield f"goes on after a failure: {container['command']}"
    spec, annotations = workload["spec"], workload["metadata"]["annotations"]
    if (annotations["helm.sh/hook"], annotations["helm.sh/hook-delete-policy"]) != ("test", "before-hook-creation"):
        yield f"is no hook: {annotations}"
    # A dozen requests of 10 s at most.
    if spec["restartPolicy"] != "Never" or not spec["activeDeadlineSeconds"] <= 120:
        yield "has no end"
