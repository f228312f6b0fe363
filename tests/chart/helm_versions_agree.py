"""Checks that two renderings have equal objects. The order of objects may differ between versions of Helm.

    helm_versions_agree.py RENDERED OTHER
"""

import json
import sys

from rendered_objects import load, name_of


def objects_by_name(path):
    return {name_of(item): item for item in load(path)}


first, second = map(objects_by_name, sys.argv[1:])
if first.keys() != second.keys():
    sys.exit(f"{sys.argv[1:]}: only one rendering has {sorted(first.keys() ^ second.keys())}")
for name, item in first.items():
    if item != second[name]:
        sys.exit(f"{name} differs:\n{json.dumps(item)}\n{json.dumps(second[name])}")
