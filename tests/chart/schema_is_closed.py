"""Checks that values.schema.json accepts no unknown keys, and that it has the keys of values.yaml.

Every object in the schema lists its keys and rejects all others, except the objects in FREE_FORM. The keys, except those of
`config`, are the keys of values.yaml.

    schema_is_closed.py CHART
"""

import json
import sys

import yaml

# Objects that Kubernetes or the Prometheus operator define.
FREE_FORM = {
    "affinity", "podSecurityContext", "securityContext", "global", "requests", "limits", "podSelector", "namespaceSelector", "valueFrom",
    "tlsConfig",
}  # fmt: skip
# Top-level keys that a parent chart sets. They are not in values.yaml.
PARENT_CHART_KEYS = {"enabled"}


def check_closed(node, path, errors):
    """Appends an error for each object that accepts unknown keys. Returns the number of objects."""
    if not isinstance(node, dict):
        return 0
    count = 0
    rejects_others = node.get("additionalProperties") is False
    if node.get("type") == "object" and "oneOf" not in node:
        count += 1
        # Objects with any keys but typed values (labels), and list items, which are Kubernetes objects.
        is_free_form = path[-1] in FREE_FORM or path[-1] == "items" or isinstance(node.get("additionalProperties"), dict)
        if not rejects_others and not is_free_form:
            errors.append(f"{'.'.join(path)} accepts any key")
        if "properties" in node and not rejects_others and path[-1] != "global" and path[-2:] != ("containers", "items"):
            errors.append(f"{'.'.join(path)} lists keys, and accepts others")
    for alternative in node.get("oneOf", []):
        count += 1
        if alternative.get("additionalProperties") is not False:
            errors.append(f"{'.'.join(path)}: one of its alternatives accepts any key")
    children = [*node.get("properties", {}).items(), *node.get("definitions", {}).items(), ("items", node.get("items"))]
    return count + sum(check_closed(child, (*path, key), errors) for key, child in children)


def check_same_keys(schema, node, values, path, errors):
    """Appends an error for each key that only the schema or only values.yaml has."""
    if "$ref" in node:
        node = schema["definitions"][node["$ref"].rsplit("/", 1)[1]]
    if "properties" not in node or path == ("config",):
        return
    # `claims` is an optional key of resources.
    in_schema = set(node["properties"]) - ({"claims"} if path else PARENT_CHART_KEYS)
    if in_schema != set(values):
        errors.append(f"{'.'.join(path) or 'top level'}: only values.yaml or only its schema has {sorted(in_schema ^ set(values))}")
    for key in in_schema & set(values):
        if isinstance(values[key], dict):
            check_same_keys(schema, node["properties"][key], values[key], (*path, key), errors)


def main(chart):
    with open(f"{chart}/values.schema.json", encoding="utf-8") as file:
        schema = json.load(file)
    with open(f"{chart}/values.yaml", encoding="utf-8") as file:
        values = yaml.safe_load(file)
    errors = []
    count = check_closed(schema, ("values",), errors)
    check_same_keys(schema, schema, values, (), errors)
    print(f"{count} objects in the schema: each is closed, or is one of {len(FREE_FORM)} free-form objects")
    sys.exit("\n".join(errors) or 0)


main(sys.argv[1])
