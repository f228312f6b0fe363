"""Checks that the schema of the value `config` has exactly the keys in config/default.toml, except those that the chart sets.

    schema_has_config_keys.py DEFAULTS SCHEMA
"""

import json
import re
import sys

# The keys that the chart sets itself, as values.yaml documents.
SET_BY_CHART = re.compile(
    r"http\.listen|admin\.listen|shutdown\..*|store\.backend|store\.redis\.(url|url_file|password_file|sentinel_password_file|cert_file|key_file)"
    r"|(.*\.)?ca_file|.*\.client_secret(_file)?"
)


def documented_keys(path):
    """Returns the full names of the keys in the defaults, including those that are commented out."""
    keys, section = set(), ""
    with open(path, encoding="utf-8") as file:
        for line in file:
            if header := re.fullmatch(r"(# )?\[\[?([\w.]+)\]\]?\n", line):
                section = header[2] + "."
            elif key := re.match(r"(# )?(\w+) = ", line):
                keys.add(section + key[2])
    return keys


def schema_keys(schema, node, path):
    """Returns the full names of the keys below a node of the schema."""
    if "$ref" in node:
        node = schema["definitions"][node["$ref"].rsplit("/", 1)[1]]
    if node.get("type") == "array" and "properties" in node.get("items", {}):
        node = node["items"]
    if "properties" not in node:
        return {path}
    if node.get("additionalProperties") is not False:
        sys.exit(f"{path} accepts any key")
    keys = set()
    for key, child in node["properties"].items():
        keys |= schema_keys(schema, child, f"{path}.{key}" if path else key)
    return keys


def main(defaults_path, schema_path):
    documented = documented_keys(defaults_path)
    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    found = schema_keys(schema, schema["properties"]["config"], "")
    expected = {key for key in documented if not SET_BY_CHART.fullmatch(key)}
    print(f"{len(found)} keys of the configuration")
    if len(documented) < 50 or found != expected:
        sys.exit(f"only in the defaults: {sorted(expected - found)}; only in the schema: {sorted(found - expected)}")


main(*sys.argv[1:])
