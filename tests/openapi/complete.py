#!/usr/bin/env python3
"""Compares docs/openapi.yaml with the server's own table of statuses, and with docs/protocol.md.

    complete.py URL-OF-ADMIN-LISTENER [DOCUMENT]

The server registers a counter at 0 for each combination of API, route, method and status that can occur.
"""

import re
import sys
import urllib.request

from document import CLIENTS, METHODS, Document

PREFIXES = {
    "msc4388": "/_matrix/client/unstable/io.element.msc4388",
    "v1": "/_matrix/client/v1",
    "msc4108": "/_matrix/client/unstable/org.matrix.msc4108",
}
# Errcodes in docs/protocol.md that the homeserver chooses (R1.45).
FROM_HOMESERVER = {"M_USER_LOCKED", "M_UNKNOWN_TOKEN"}
ERRCODE = r"\b(?:M|IO_ELEMENT)_[A-Z0-9_]+\b"
RULE = r"\bR[0-4]\.\d+\b"


def of_document(document):
    return {(path, method, int(status))
            for path, method, operation in document.operations() for status in operation["responses"]}


def of_metrics(admin):
    """The combinations of the server. Methods that a path does not support are prose in the document."""
    with urllib.request.urlopen(f"{admin}/metrics", timeout=20) as response:
        page = response.read().decode()
    found = set()
    for labels in re.findall(r"^rendezvous_http_requests_total\{(.*)\} ", page, re.MULTILINE):
        label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if label["api"] in PREFIXES and label["route"] != "other" and label["method"].lower() in METHODS:
            found.add((PREFIXES[label["api"]] + label["route"], label["method"], int(label["status"])))
    unsupported = {(path, method) for path, method, status in found if status == 405}
    assert unsupported, "no series has the status 405"
    return {(path, method, status) for path, method, status in found if (path, method) not in unsupported}


def of_protocol(protocol):
    """The combinations of the tables of endpoints, sections 1.2 and 2.2."""
    found, previous = set(), []
    for dialect, row in re.findall(r"^\| \*\*R([12])\.\d+\*\* \| (`(?:GET|POST|PUT|DELETE) .*) \|$", protocol, re.MULTILINE):
        method, path = re.match(r"`(\w+) ([^`]*)`", row).groups()
        _, success, errors = row.rsplit(" | ", 2)
        statuses = re.findall(r"\b[2-5]\d\d\b", f"{success} {errors}")
        if "as R1.7" in errors:
            statuses += previous
        previous = statuses
        path = re.sub("^url", "/rendezvous/{id}", path).removeprefix("…")
        for api in ("msc4388", "v1") if dialect == "1" else ("msc4108",):
            found |= {(PREFIXES[api] + path, method, int(status)) for status in statuses}
    return found


def main(admin, path=CLIENTS):
    document = Document(path)
    with open("docs/protocol.md", encoding="utf-8") as file:
        protocol = file.read()
    documented, served, specified = of_document(document), of_metrics(admin), of_protocol(protocol)
    assert len(specified) > 80, f"only {len(specified)} statuses were found in the tables of docs/protocol.md"
    problems = [f"{path} lacks {' '.join(map(str, key))}, which the server counts" for key in served - documented]
    problems += [f"{path} has {' '.join(map(str, key))}, which the server does not count" for key in documented - served]
    problems += [f"{path} lacks {' '.join(map(str, key))} of docs/protocol.md" for key in specified - documented]
    codes, known = set(re.findall(ERRCODE, document.text)), set(re.findall(ERRCODE, protocol))
    problems += [f"{path} and docs/protocol.md: only one of them has {code}" for code in (codes ^ known) - FROM_HOMESERVER]
    rules = set(re.findall(r"\*\*(" + RULE + r")\*\*", protocol))
    problems += [f"{path} cites {rule}, which is no rule" for rule in set(re.findall(RULE, document.text)) - rules]
    if problems:
        sys.exit("\n".join(sorted(problems)))
    print(f"ok  {CLIENTS} has the {len(served)} statuses that the server counts, "
          f"the {len(specified)} of docs/protocol.md, and its {len(known)} errcodes")


main(*sys.argv[1:])
