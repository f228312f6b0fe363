"""Prints the `docker run` arguments for a rendered pod: image, command, environment, mounted files with their modes, user and
limits. A field of the spec that this script does not handle is an error, so that nothing is silently left out. Containers that the
values add are left out.

    docker_arguments.py RENDERED CLUSTER DIRECTORY KIND/NAME IMAGE=LOCAL,…
        prints arguments that end with NUL: options, "--", then the local image and the command. DIRECTORY receives the files
    docker_arguments.py ... --probes
        prints the probes and the health checks of load balancers, one per line: "get PORT PATH", or "exec COMMAND" with its words separated by 0x1f
"""

import os
import re
import sys

from rendered_objects import find, is_server, load, own_containers, secrets, template

# Fields for a node or a rollout, or fields that other tests check.
IGNORED_FIELDS = {
    "serviceAccountName", "automountServiceAccountToken", "enableServiceLinks", "topologySpreadConstraints", "imagePullSecrets",
    "affinity", "tolerations", "nodeSelector", "priorityClassName", "runtimeClassName", "hostAliases", "dnsPolicy", "dnsConfig",
    "terminationGracePeriodSeconds", "activeDeadlineSeconds", "restartPolicy", "initContainers",
}  # fmt: skip
# The ids if the pod sets none, as OpenShift assigns them: an arbitrary UID in the group root.
PLATFORM_IDS = {"runAsUser": 1000650000, "runAsGroup": 0, "fsGroup": 1000650000}


def require_known(description, fields, *known):
    """Returns the fields, or exits if there is one that is not known."""
    if unknown := set(fields) - set(known):
        sys.exit(f"{description}: docker_arguments.py does not handle {sorted(unknown)}")
    return fields


def expand(text, environment):
    """Replaces $(NAME) if the variable is defined, and $$ by a dollar sign, as Kubernetes does."""
    return re.sub(r"\$\$|\$\((\w+)\)", lambda match: "$" if match[0] == "$$" else environment.get(match[1], match[0]), text)


def content_of(objects, kind, name):
    """Returns the keys and values of a Secret or a ConfigMap."""
    item = find(objects, kind, name)
    return secrets([item])[name] if kind == "Secret" else item["data"]


def value_of(objects, kind, name, key):
    content = content_of(objects, kind, name)
    if key not in content:
        sys.exit(f"{kind}/{name} has no key {key}")
    return content[key]


def write_files(directory, source, kind, name, group, objects):
    """Writes the files of a Secret or ConfigMap volume, owned by root and the group."""
    mode = source.get("defaultMode", 0o644)
    items = source.get("items") or [{"key": key, "path": key} for key in content_of(objects, kind, name)]
    for item in items:
        path = os.path.join(directory, item["path"])
        with open(path, "w", encoding="utf-8") as file:
            file.write(value_of(objects, kind, name, item["key"]))
        os.chown(path, 0, group)
        os.chmod(path, mode)


def prepare_volume(volume, directory, group, objects):
    """Returns the directory on this machine that holds the volume, or None for a tmpfs."""
    if "emptyDir" in volume:
        return None
    os.makedirs(directory, exist_ok=True)
    os.chmod(directory, 0o755)
    if "configMap" in volume:
        source = require_known("configMap", volume["configMap"], "name", "defaultMode", "items")
        write_files(directory, source, "ConfigMap", source["name"], group, objects)
    elif "secret" in volume:
        source = require_known("secret", volume["secret"], "secretName", "defaultMode", "items")
        write_files(directory, source, "Secret", source["secretName"], group, objects)
    elif "claim" in volume:  # owner and mode as Kubernetes sets them for fsGroup
        os.chown(directory, 0, group)
        os.chmod(directory, 0o2775)
    else:
        sys.exit(f"docker_arguments.py does not handle the volume {volume}")
    return directory


def security_options(context, security):
    """Options for the user, the groups and the privileges."""
    options = [f"--user={context['runAsUser']}:{context['runAsGroup']}"]
    options += [f"--group-add={group}" for group in [context["fsGroup"], *context.get("supplementalGroups", [])]]
    if security["readOnlyRootFilesystem"]:
        options.append("--read-only")
    if security["privileged"]:
        options.append("--privileged")
    if not security["allowPrivilegeEscalation"]:
        options.append("--security-opt=no-new-privileges")
    dropped = require_known("capabilities", security["capabilities"], "drop")["drop"]
    return options + [f"--cap-drop={name}" for name in dropped]


def resource_options(container):
    limits = require_known("limits", container["resources"]["limits"], "cpu", "memory")
    options = [f"--memory={limits['memory'].removesuffix('i').lower()}"]
    if "cpu" in limits:
        options.append(f"--cpus={limits['cpu']}")
    return options


def environment_of(container, objects):
    """Returns the environment variables, with values from Secrets resolved."""
    environment = {}
    for source in container.get("envFrom", []):
        environment |= content_of(objects, "Secret", require_known("envFrom", source, "secretRef")["secretRef"]["name"])
    for variable in container.get("env", []):
        require_known("a variable", variable, "name", "value", "valueFrom")
        if "value" in variable:
            value = expand(variable["value"], environment)
        else:
            reference = require_known("valueFrom", variable["valueFrom"], "secretKeyRef")["secretKeyRef"]
            value = value_of(objects, "Secret", reference["name"], reference["key"])
        environment[variable["name"]] = value
    return environment


def mount_options(workload, container, group, directory, objects):
    claims = [{"name": claim["metadata"]["name"], "claim": claim} for claim in workload["spec"].get("volumeClaimTemplates", [])]
    volumes = {volume["name"]: volume for volume in template(workload)["spec"].get("volumes", []) + claims}
    options = []
    for mount in container.get("volumeMounts", []):
        require_known("a mount", mount, "name", "mountPath", "readOnly")
        source = prepare_volume(volumes[mount["name"]], f"{directory}/{mount['name']}", group, objects)
        if source:
            options.append(f"--volume={source}:{mount['mountPath']}{':ro' if mount.get('readOnly') else ''}")
        else:
            options.append(f"--tmpfs={mount['mountPath']}:mode=2775,gid={group}")
    return options


def docker_run_arguments(workload, objects, directory, local_images):
    """Returns the options, "--", the local image and the command."""
    spec = require_known("the pod", template(workload)["spec"], "containers", "securityContext", "volumes", *IGNORED_FIELDS)
    context = require_known("the pod's securityContext", PLATFORM_IDS | spec["securityContext"], "runAsNonRoot",
                            "fsGroupChangePolicy", "seccompProfile", "supplementalGroups", *PLATFORM_IDS)  # fmt: skip
    if context["seccompProfile"] != {"type": "RuntimeDefault"}:
        sys.exit(f"expected the seccomp profile RuntimeDefault, which is Docker's default, found {context['seccompProfile']}")
    [container] = own_containers(workload)
    require_known("the container", container, "name", "image", "imagePullPolicy", "command", "args", "env", "envFrom", "ports", "resources",
                  "securityContext", "volumeMounts", "startupProbe", "readinessProbe", "livenessProbe")  # fmt: skip
    security = require_known("the container's securityContext", container["securityContext"],
                             "allowPrivilegeEscalation", "privileged", "readOnlyRootFilesystem", "runAsNonRoot", "capabilities", "seLinuxOptions")  # fmt: skip
    environment = environment_of(container, objects)
    options = security_options(context, security) + resource_options(container)
    options += [f"--env={name}={value}" for name, value in environment.items()]
    options += mount_options(workload, container, context["fsGroup"], directory, objects)
    options += [f"--publish=127.0.0.1::{port['containerPort']}" for port in container.get("ports", [])]
    command = [expand(word, environment) for word in container.get("command", [])]
    arguments = [expand(word, environment) for word in container.get("args", [])]
    if command:
        options.append(f"--entrypoint={command.pop(0)}")
    repository = re.sub(r"(@sha256)?:[^:/]*$", "", container["image"])
    return options + ["--", local_images[repository], *command, *arguments]


def probes(workload):
    """Yields one line for each probe."""
    [container] = own_containers(workload)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container[kind]
        if "httpGet" in probe:
            yield f"get {ports[probe['httpGet']['port']]} {probe['httpGet']['path']}"
        else:
            yield "exec " + "\x1f".join(probe["exec"]["command"])


def health_checks(workload, objects):
    """Yields one line for each health check that a load balancer makes at the server."""
    for item in objects if is_server(workload) else []:
        if item["kind"] == "HealthCheckPolicy":
            config = item["spec"]["default"]["config"]
            kind, request = config["type"], config[f"{config['type'].lower()}HealthCheck"]
        elif item["kind"] == "BackendConfig":
            request = item["spec"]["healthCheck"]
            kind = request["type"]
        else:
            continue
        yield f"{'get-tls' if kind == 'HTTPS' else 'get'} {request['port']} {request['requestPath']}"


def main(rendered, cluster, directory, workload_name, images, *options):
    objects = load(rendered) + load(cluster)
    workload = find(objects, *workload_name.split("/"))
    if options == ("--probes",):
        print(*probes(workload), *health_checks(workload, objects), sep="\n")
    else:
        local_images = dict(pair.split("=") for pair in images.split(","))
        arguments = docker_run_arguments(workload, objects, directory, local_images)
        sys.stdout.write("".join(f"{argument}\0" for argument in arguments))


main(*sys.argv[1:])
