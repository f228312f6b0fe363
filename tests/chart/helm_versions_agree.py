"""Two majors of Helm must say the same: same.py ONE OTHER, two renderings. The order of objects is Helm's own affair."""

import json
import sys

from rendered_objects import load, name_of

one, other = ({name_of(of): of for of in load(path)} for path in sys.argv[1:])
if one.keys() != other.keys():
    sys.exit(f"{sys.argv[1:]}: only one has {sorted(one.keys() ^ other.keys())}")
for name, of in one.items():
    if of != other[name]:
        sys.exit(f"{name} differs:\n{json.dumps(of)}\n{json.dumps(other[name])}")
