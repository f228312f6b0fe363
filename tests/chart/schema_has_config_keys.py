"""Checks that the schema of the value `config` has exactly the keys in config/default.toml, except those that the chart sets.
The chart's list of environment variables must have the same keys, except those of a list entry, which no variable can set.

    schema_has_config_keys.py DEFAULTS CHART            checks the schema and the list
    schema_has_config_keys.py DEFAULTS CHART --write    writes the list
"""

import json
import re
import sys

# The keys that the chart sets itself, as values.yaml documents.
SET_BY_CHART = re.compile(
    r"http\.(listen|tls_cert_file|tls_key_file)|admin\.(listen|token_file)|shutdown\..*|store\.backend|store\.redis\.(url|url_file|password_file|sentinel_password_file|cert_file|key_file)"
    r"|(.*\.)?ca_file|.*\.client_secret(_file)?"
)

# Keys of the entries of a list of tables.
LIST_ENTRY = "auth.homeserver."


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


def variable_names(keys):
    """Returns the text of files/environment-variables.txt: the variable of each key, one per line."""
    names = ("RENDEZVOUS_" + key.upper().replace(".", "__") for key in keys if not key.startswith(LIST_ENTRY))
    return "".join(f"{name}\n" for name in sorted(names))


def main(defaults_path, chart, *options):
    documented = documented_keys(defaults_path)
    with open(f"{chart}/values.schema.json", encoding="utf-8") as file:
        schema = json.load(file)
    list_path = f"{chart}/files/environment-variables.txt"
    found = schema_keys(schema, schema["properties"]["config"], "")
    expected = {key for key in documented if not SET_BY_CHART.fullmatch(key)}
    print(f"{len(found)} keys of the configuration")
    if len(documented) < 50 or found != expected:
        sys.exit(f"only in the defaults: {sorted(expected - found)}; only in the schema: {sorted(found - expected)}")
    if options == ("--write",):
        with open(list_path, "w", encoding="utf-8") as file:
            file.write(variable_names(expected))
    with open(list_path, encoding="utf-8") as file:
        if file.read() != variable_names(expected):
            sys.exit(f"{list_path} is out of date: run tests/chart/schema_has_config_keys.py {defaults_path} {chart} --write")


main(*sys.argv[1:])
