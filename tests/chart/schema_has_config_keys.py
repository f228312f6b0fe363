"""The schema of `config` knows the keys of config/default.toml, all of them and no other: keys.py DEFAULTS SCHEMA."""

import json
import re
import sys

# Those that the chart sets, as values.yaml says.
CHART_SETS = re.compile(
    r"http\.listen|admin\.listen|shutdown\..*|store\.backend|store\.redis\.(url|url_file|password_file|sentinel_password_file)|(.*\.)?ca_file|.*\.client_secret(_file)?"
)

documented, section = set(), ""
for line in open(sys.argv[1], encoding="utf-8"):
    if header := re.fullmatch(r"(# )?\[\[?([\w.]+)\]\]?\n", line):
        section = header[2] + "."
    elif key := re.match(r"(# )?(\w+) = ", line):
        documented.add(section + key[2])

with open(sys.argv[2], encoding="utf-8") as file:
    schema = json.load(file)


def leaves(of, at):
    if "$ref" in of:
        of = schema["definitions"][of["$ref"].rsplit("/", 1)[1]]
    if of.get("type") == "array" and "properties" in of.get("items", {}):
        of = of["items"]
    if "properties" not in of:
        return {at}
    if of.get("additionalProperties") is not False:
        sys.exit(f"{at} takes any key")
    return {leaf for key, inner in of["properties"].items() for leaf in leaves(inner, f"{at}.{key}" if at else key)}


found = leaves(schema["properties"]["config"], "")
expected = {key for key in documented if not CHART_SETS.fullmatch(key)}
print(f"{len(found)} keys of the configuration")
if len(documented) < 50 or found != expected:
    sys.exit(f"only documented: {sorted(expected - found)}; only in the schema: {sorted(found - expected)}")
