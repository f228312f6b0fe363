"""A pod as `docker run` has it: image, command, environment, mounted files with their modes, user, limits. What is in
the spec and not known here is an error, so that nothing is left out unseen.

    pod.py RENDERED CLUSTER DIRECTORY KIND/NAME IMAGE=LOCAL,…   prints arguments, each ended by NUL: options, then image and
                                                                 command behind "--"
    pod.py ... --probes                                          prints its probes, a line each: get PORT PATH, or exec …
"""

import os
import re
import sys

from rendered_objects import find, load, secrets, template

IGNORED = {  # of a node, of a deploy, or looked at by other tests
    "serviceAccountName", "automountServiceAccountToken", "enableServiceLinks", "topologySpreadConstraints", "imagePullSecrets",
    "affinity", "tolerations", "nodeSelector", "priorityClassName", "terminationGracePeriodSeconds", "activeDeadlineSeconds", "restartPolicy",
}  # fmt: skip

# Who runs where the pod does not say it, as OpenShift gives users out: one of nobody, of the group root.
PLATFORM = {"runAsUser": 1000650000, "runAsGroup": 0, "fsGroup": 1000650000}


def known(what, of, *keys):
    if unknown := set(of) - set(keys):
        sys.exit(f"{what}: {sorted(unknown)} is not known to pod.py")
    return of


def expand(text, environment):
    """$(NAME), where it is known; $$ is a dollar."""
    return re.sub(
        r"\$\$|\$\((\w+)\)", lambda m: "$" if m[0] == "$$" else environment.get(m[1], m[0]), text
    )


def held(objects, kind, name, key):
    of = find(objects, kind, name)
    values = secrets([of])[name] if kind == "Secret" else of["data"]
    if key is not None and key not in values:
        sys.exit(f"{kind}/{name} has no {key}")
    return values


def write(directory, source, kind, name, group, objects):
    mode = source.get("defaultMode", 0o644)
    values = held(objects, kind, name, None)
    items = source.get("items") or [{"key": key, "path": key} for key in values]
    for item in items:
        path = os.path.join(directory, item["path"])
        with open(path, "w", encoding="utf-8") as file:
            file.write(held(objects, kind, name, item["key"])[item["key"]])
        os.chown(path, 0, group)
        os.chmod(path, mode)


def volume_of(volume, directory, group, objects):
    """Where on this machine a volume is, or a tmpfs."""
    if "emptyDir" in volume:
        return None
    os.makedirs(directory, exist_ok=True)
    os.chmod(directory, 0o755)
    if "configMap" in volume:
        source = known("configMap", volume["configMap"], "name", "defaultMode", "items")
        write(directory, source, "ConfigMap", source["name"], group, objects)
    elif "secret" in volume:
        source = known("secret", volume["secret"], "secretName", "defaultMode", "items")
        write(directory, source, "Secret", source["secretName"], group, objects)
    elif "claim" in volume:  # as fsGroup leaves it
        os.chown(directory, 0, group)
        os.chmod(directory, 0o2775)
    else:
        sys.exit(f"volume {volume}")
    return directory


def run(workload, objects, directory, images):
    pod = template(workload)
    spec = known("the pod", pod["spec"], "containers", "securityContext", "volumes", *IGNORED)
    context = known("its securityContext", PLATFORM | spec["securityContext"], "runAsNonRoot", "fsGroupChangePolicy",
                    "seccompProfile", "supplementalGroups", *PLATFORM)  # fmt: skip
    if context["seccompProfile"] != {"type": "RuntimeDefault"}:
        sys.exit("seccomp is Docker's default here")
    [container] = spec["containers"]
    known("the container", container, "name", "image", "imagePullPolicy", "command", "args", "env", "ports", "resources",
          "securityContext", "volumeMounts", "startupProbe", "readinessProbe", "livenessProbe")  # fmt: skip
    security = known("its securityContext", container["securityContext"],
                     "allowPrivilegeEscalation", "privileged", "readOnlyRootFilesystem", "runAsNonRoot", "capabilities")  # fmt: skip
    options = [f"--user={context['runAsUser']}:{context['runAsGroup']}", *(f"--group-add={group}" for group in [context["fsGroup"], *context.get("supplementalGroups", [])])]
    options += ["--read-only"] * security["readOnlyRootFilesystem"] + ["--privileged"] * security["privileged"]
    options += ["--security-opt=no-new-privileges"] * (not security["allowPrivilegeEscalation"])
    options += [f"--cap-drop={name}" for name in known("capabilities", security["capabilities"], "drop")["drop"]]
    limits = known("limits", container["resources"]["limits"], "cpu", "memory")
    options += [f"--memory={limits['memory'].removesuffix('i').lower()}"]
    options += [f"--cpus={limits.get('cpu')}"] * ("cpu" in limits)
    environment = {}
    for variable in container.get("env", []):
        known("a variable", variable, "name", "value", "valueFrom")
        if "value" in variable:
            value = expand(variable["value"], environment)
        else:
            ref = known("valueFrom", variable["valueFrom"], "secretKeyRef")["secretKeyRef"]
            value = held(objects, "Secret", ref["name"], ref["key"])[ref["key"]]
        environment[variable["name"]] = value
    options += [f"--env={name}={value}" for name, value in environment.items()]
    claims = [{"name": of["metadata"]["name"], "claim": of} for of in workload["spec"].get("volumeClaimTemplates", [])]
    volumes = {of["name"]: of for of in spec.get("volumes", []) + claims}
    for mount in container.get("volumeMounts", []):
        known("a mount", mount, "name", "mountPath", "readOnly")
        where = volume_of(volumes[mount["name"]], f"{directory}/{mount['name']}", context["fsGroup"], objects)
        read_only = ":ro" if mount.get("readOnly") else ""
        options.append(f"--volume={where}:{mount['mountPath']}{read_only}" if where
                       else f"--tmpfs={mount['mountPath']}:mode=2775,gid={context['fsGroup']}")  # fmt: skip
    options += [f"--publish=127.0.0.1::{port['containerPort']}" for port in container.get("ports", [])]
    command = [expand(word, environment) for word in container.get("command", [])]
    arguments = [expand(word, environment) for word in container.get("args", [])]
    if command:
        options.append(f"--entrypoint={command.pop(0)}")
    repository = re.sub(r"(@sha256)?:[^:/]*$", "", container["image"])
    return options + ["--", images[repository], *command, *arguments]


def probes(workload):
    [container] = template(workload)["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container[kind]
        if "httpGet" in probe:
            yield f"get {ports[probe['httpGet']['port']]} {probe['httpGet']['path']}"
        else:
            yield "exec " + "\x1f".join(probe["exec"]["command"])


rendered, cluster, directory, which, images = sys.argv[1:6]
objects = load(rendered) + load(cluster)
workload = find(objects, *which.split("/"))
if sys.argv[6:] == ["--probes"]:
    print(*probes(workload), sep="\n")
else:
    words = run(workload, objects, directory, dict(pair.split("=") for pair in images.split(",")))
    sys.stdout.write("".join(f"{word}\0" for word in words))
