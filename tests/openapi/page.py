#!/usr/bin/env python3
"""Renders the OpenAPI documents as docs/api.md.

    page.py            writes the page
    page.py --check    fails if the page is not what the documents say
"""

import json
import sys

from document import ADMIN, CLIENTS, Document, examples

PAGE = "docs/api.md"
# Header fields of each response, which are listed once.
COMMON = ["Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Cache-Control", "Content-Security-Policy",
          "X-Content-Type-Options", "X-Request-Id", "X-Rendezvous-Probe"]
# Header fields of each request, likewise.
OF_EACH_REQUEST = ["X-Rendezvous-Probe", "X-Request-Id"]


def cell(text):
    return " ".join(str(text).split()).replace("|", "\\|")


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    yield from ("| " + " | ".join(map(cell, row)) + " |" for row in rows)
    yield ""


def block(language, body):
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return [f"```{language}", text.rstrip("\n"), "```", ""]


def constraint(schema):
    """Returns the type of a schema, and its bounds."""
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "any")
    parts = ["string or null" if isinstance(kind, list) else kind]
    parts += [f"`{schema['pattern']}`"] if "pattern" in schema else []
    parts += [f"at most {schema['maxLength']} characters"] if schema.get("maxLength") else []
    return ", ".join(parts)


def members(document, schema):
    """Returns the members of a body, such as `id`, `sequence_token`."""
    schema = document.resolve(schema)
    if schema.get("maxLength") == 0:
        return "empty"
    if schema.get("type") != "object":
        return "text"
    listed = ", ".join(f"`{name}`" for name in schema.get("properties", {}) if name not in ("errcode", "error"))
    errcode = schema.get("properties", {}).get("errcode", {})
    codes = " or ".join(f"`{code}`" for code in errcode.get("enum", []))
    if errcode and not codes:
        codes = "an errcode"
    return "; ".join(part for part in (codes, listed) if part) or "`{}`"


def parameter_row(parameter):
    required = "required" if parameter.get("required") else "optional"
    return (f"`{parameter['name']}`", f"{parameter['in']}, {required}", constraint(parameter["schema"]),
            parameter.get("description", ""))


def response_row(document, status, response):
    bodies = [members(document, content["schema"]) for content in response.get("content", {}).values()]
    headers = [name for name in response.get("headers", {}) if name not in COMMON]
    return status, response["description"], " ".join(bodies) or "none", ", ".join(f"`{name}`" for name in headers)


def operation_lines(document, path, method, operation):
    yield from (f"### `{method} {path}`", "")
    yield from (f"{operation['summary']}. {operation['description'].strip()}", "")
    if {} in operation.get("security", []):
        yield from ("An access token (`Authorization: Bearer …`) is optional here.", "")
    parameters = document.parameters(path, operation)
    rows = [parameter_row(parameter) for parameter in parameters if parameter["name"] not in OF_EACH_REQUEST]
    if rows:
        yield from table(("parameter", "in", "value", "meaning"), rows)
    if "requestBody" in operation:
        body = document.resolve(operation["requestBody"])
        [(media_type, content)] = body["content"].items()
        schema = document.resolve(content["schema"])
        fields = "; ".join(f"`{name}`: {constraint(document.resolve(field))}"
                           for name, field in schema.get("properties", {}).items())
        yield from (f"Body: `{media_type}`, {fields or constraint(schema)}. {body['description'].strip()}", "")
        yield from block("json" if "json" in media_type else "text", examples(content)[0])
    rows = [response_row(document, *item) for item in document.responses(operation).items()]
    has_headers = any(row[3] for row in rows)
    head = ("status", "when", "body", "header fields")
    yield from table(head if has_headers else head[:3], rows if has_headers else [row[:3] for row in rows])
    for status, response in document.responses(operation).items():
        for media_type, content in response.get("content", {}).items():
            if status.startswith("2") and examples(content):
                yield from block("json" if "json" in media_type else "text", examples(content)[0])


def render():
    clients, admin = Document(CLIENTS), Document(ADMIN)
    yield from ("# HTTP API", "")
    yield from ("<!-- Written by tests/openapi/page.py. Edit the OpenAPI documents instead. -->", "")
    yield from ("Both dialects and the admin listener, from the OpenAPI 3.1 documents [openapi.yaml](openapi.yaml) and "
                "[openapi-admin.yaml](openapi-admin.yaml). A test holds the documents against the running server.", "")
    yield from (clients.raw["info"]["description"].strip(), "")
    yield from ("Each request may have these header fields:", "")
    parameters = clients.raw["components"]["parameters"].values()
    yield from table(("parameter", "in", "value", "meaning"),
                     [parameter_row(parameter) for parameter in parameters if parameter["name"] in OF_EACH_REQUEST])
    yield from ("Each response has these header fields:", "")
    headers = clients.raw["components"]["headers"]
    yield from table(("header field", "value", "meaning"),
                     [(f"`{name}`", constraint(headers[name]["schema"]), headers[name]["description"]) for name in COMMON])
    dialect = [("Access-Control-Expose-Headers", "EtagExposeHeaders"), ("Cache-Control", "EtagCacheControl")]
    yield from ("In the ETag dialect, two of them differ:", "")
    yield from table(("header field", "value", "meaning"),
                     [(f"`{name}`", constraint(headers[of]["schema"]), headers[of]["description"]) for name, of in dialect])
    for tag in clients.raw["tags"]:
        yield from (f"## {tag['name']}", "", tag["description"].strip(), "")
        for path, method, operation in clients.operations():
            if operation["tags"] == [tag["name"]]:
                yield from operation_lines(clients, path, method, operation)
    yield from ("## Admin listener", "", admin.raw["info"]["description"].strip(), "")
    for path, method, operation in admin.operations():
        yield from operation_lines(admin, path, method, operation)


def main(*options):
    page = "\n".join(render()).rstrip("\n") + "\n"
    if options != ("--check",):
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(page)
        return
    with open(PAGE, encoding="utf-8") as file:
        if file.read() != page:
            sys.exit(f"{PAGE} is not what {CLIENTS} and {ADMIN} say; write it by tests/openapi/page.py")
    print(f"ok  {PAGE} is what the documents say")


main(*sys.argv[1:])
