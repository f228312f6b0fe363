"""Writes one row of the table between the markers <!-- compatibility --> and <!-- /compatibility --> of a document.

    table.py FILE NAME VERSION DATE passed|failed
"""

import re
import sys

BEGIN, END = "<!-- compatibility -->\n", "<!-- /compatibility -->\n"
HEAD = "| software | version | tried on | result |\n|---|---|---|---|\n"


def with_row(text, name, *cells):
    """Returns the text with this row in place of the row with this name, or behind the others."""
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    row = f"| {' | '.join((name, *cells))} |\n"
    rows = table.removeprefix(HEAD).splitlines(keepends=True)
    names = [other.split(" | ")[0] for other in rows]
    if f"| {name}" in names:
        rows[names.index(f"| {name}")] = row
    else:
        rows.append(row)
    return f"{before}{BEGIN}{HEAD}{''.join(rows)}{END}{after}"


path, name, version, date, result = sys.argv[1:]
if not re.fullmatch(r"\d{4}-\d\d-\d\d", date) or result not in ("passed", "failed") or not re.match(r"\d", version):
    sys.exit(f"expected a version, a date and a result, found: {version} {date} {result}")
with open(path, encoding="utf-8") as file:
    text = file.read()
with open(path, "w", encoding="utf-8") as file:
    file.write(with_row(text, name, version, date, result))
