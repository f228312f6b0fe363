"""The schema of the values is closed: each object in it names its keys and takes no other, or is one of those below. Its
keys, but for those of `config`, are those of values.yaml, which has a line for each: closed.py CHART."""

import json
import sys

import yaml

# Objects of Kubernetes' own, or of the operator's.
FREE = {"affinity", "podSecurityContext", "global", "requests", "limits"}
# Of a chart above this one.
NOT_OURS = {"global", "enabled"}
chart = sys.argv[1]
with open(f"{chart}/values.schema.json", encoding="utf-8") as file:
    schema = json.load(file)
with open(f"{chart}/values.yaml", encoding="utf-8") as file:
    values = yaml.safe_load(file)
bad, objects = [], 0


def look(of, at):
    global objects
    if not isinstance(of, dict):
        return
    if of.get("type") == "object" and "oneOf" not in of:
        objects += 1
        # texts: any keys, but text; the values of everything else are objects, or lists of them, of Kubernetes
        free = at[-1] in FREE or at[-1] == "items" or isinstance(of.get("additionalProperties"), dict)
        if of.get("additionalProperties") is not False and not free:
            bad.append(f"{'.'.join(at)} takes any key")
        if "properties" in of and of.get("additionalProperties") is not False:
            bad.append(f"{'.'.join(at)} names keys, and takes others")
    for one in of.get("oneOf", []):
        objects += 1
        if one.get("additionalProperties") is not False:
            bad.append(f"{'.'.join(at)}: one of its ways takes any key")
    for key, inner in [*of.get("properties", {}).items(), *of.get("definitions", {}).items(), ("items", of.get("items"))]:
        look(inner, (*at, key))


def same_keys(of, value, at):
    if "$ref" in of:
        of = schema["definitions"][of["$ref"].rsplit("/", 1)[1]]
    if "properties" not in of or at == ("config",):
        return
    named = set(of["properties"]) - (NOT_OURS if not at else {"claims"})
    if named != set(value):
        bad.append(f"{'.'.join(at) or 'the values'}: only one of values.yaml and its schema has {sorted(named ^ set(value))}")
    for key in named & set(value):
        if isinstance(value[key], dict):
            same_keys(of["properties"][key], value[key], (*at, key))


look(schema, ("the values",))
same_keys(schema, values, ())
print(f"{objects} objects of the schema, each closed or one of {len(FREE)}")
sys.exit("\n".join(bad) or 0)
