"""Writes or removes one row of the table between the markers <!-- compatibility --> and <!-- /compatibility --> of a document.

    table.py FILE NAME VERSION DATE passed|failed
    table.py FILE NAME --remove

A row with the same NAME is replaced. Everything outside of the markers stays as it is.
"""

import re
import sys

BEGIN, END = "<!-- compatibility -->\n", "<!-- /compatibility -->\n"
HEAD = "| software | version | tried on | result |\n|---|---|---|---|\n"


def with_row(text, name, version, date, result):
    """Returns the text with this row in place of the row with this name, or behind the others.

    Raises ValueError if a value is not one of its kind, or if the text has no such table.
    """
    row = check_row(name, version, date, result)
    before, rows, after = split(text)
    names = [other.split(" | ")[0] for other in rows]
    if f"| {name}" in names:
        rows[names.index(f"| {name}")] = row
    else:
        rows.append(row)
    return f"{before}{BEGIN}{HEAD}{''.join(rows)}{END}{after}"


def without_row(text, name):
    """Returns the text without the row with this name, if there is one. Raises ValueError as with_row does."""
    before, rows, after = split(text)
    rows = [row for row in rows if row.split(" | ")[0] != f"| {name}"]
    return f"{before}{BEGIN}{HEAD}{''.join(rows)}{END}{after}"


def check_row(name, version, date, result):
    """Returns the row. Raises ValueError if a value is not one of its kind."""
    if not name or re.search(r"[|\n]", name):
        raise ValueError(f'expected a name without | such as "Synapse, newest", found: {name}')
    if not re.fullmatch(r"\d[0-9A-Za-z.+-]*", version):
        raise ValueError(f"expected a version such as 1.163.2, found: {version}")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        raise ValueError(f"expected a date such as 2026-12-01, found: {date}")
    if result not in ("passed", "failed"):
        raise ValueError(f"expected the result passed or failed, found: {result}")
    return f"| {name} | {version} | {date} | {result} |\n"


def split(text):
    """Returns what precedes the table, its rows, and what follows it. Raises ValueError if the text has no such table."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise ValueError(f"expected one line {BEGIN.strip()}, and behind it one line {END.strip()}")
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    if table and not table.startswith(HEAD):
        raise ValueError(f"expected a table that begins with {HEAD.splitlines()[0]}")
    return before, table.removeprefix(HEAD).splitlines(keepends=True), after


def main(arguments):
    is_removal = len(arguments) == 3 and arguments[2] == "--remove"
    if not is_removal and len(arguments) != 5:
        sys.exit("usage: table.py FILE NAME VERSION DATE passed|failed, or table.py FILE NAME --remove")
    path, *cells = arguments
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        text = without_row(text, cells[0]) if is_removal else with_row(text, *cells)
    except ValueError as error:
        sys.exit(f"{path}: {error}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
