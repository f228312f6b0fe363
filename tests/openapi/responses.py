#!/usr/bin/env python3
"""Causes each documented response at real servers, and checks it against the document: status, content type, header
fields, and schema. Fails for a documented status, errcode or example that does not occur.

    responses.py OPENAPI NAME=URL...

The names are the servers that `run` starts, each with the configuration that causes some of the responses.
"""

import json
import sys

import schemathesis
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from wire import send

# Documented responses that no request causes, with the reason.
NEVER = {
    500: "no request makes a handler panic; tests/it/panics.rs has a store that does",
}
# The same, of single operations.
NEVER_OF = {
    ("countSessions", 409): "a call must last until the next one comes; a unit test has a store that waits",
    ("endSessions", 409): "as of countSessions",
}
CHECKED = ["status_code_conformance", "content_type_conformance", "response_headers_conformance",
           "response_schema_conformance"]
# Members of an example that differ in each response.
VARIABLE = {"id", "sequence_token", "expires_in_ms", "retry_after_ms", "url", "data", "version", "revision",
            "configuration", "store"}
JSON, TEXT = {}, {"Content-Type": "text/plain"}
TOO_LONG = "x" * 4097
# More than any of the limits of the server "limited".
ATTEMPTS = 5


class Document:
    """The OpenAPI document, and which of its responses have occurred."""

    def __init__(self, path):
        load_all_checks()
        self.schema = schemathesis.openapi.from_path(path)
        self.checks = CHECKS.get_by_names(CHECKED)
        self.operations, self.seen, self.failures = {}, {}, []
        for result in self.schema.get_all_operations():
            operation = result.ok()
            self.operations[operation.definition.raw["operationId"]] = operation

    def record(self, name, response):
        """Checks a response of the operation `name`, and returns it."""
        case = self.operations[name].Case(path_parameters={"id": "id", "txnId": "txn"})
        try:
            case.validate_response(response, checks=self.checks)
        except FailureGroup as group:
            for failure in group.exceptions:
                message = failure.message.splitlines()[0]
                self.failures.append(f"{name} {response.status_code}: {failure.title}: {message}")
        self.seen.setdefault((name, response.status_code), []).append(response)
        return response

    def resolve(self, value):
        """Follows a reference to a component."""
        while "$ref" in value:
            kind, component = value["$ref"].split("/")[-2:]
            value = self.schema.raw_schema["components"][kind][component]
        return value

    def missing(self):
        """Returns a line for each documented status, errcode and example that did not occur."""
        for name, operation in self.operations.items():
            for status, response in operation.definition.raw["responses"].items():
                status, response = int(status), self.resolve(response)
                occurred = self.seen.get((name, status))
                if status in NEVER or (name, status) in NEVER_OF:
                    if occurred:
                        yield f"{name} {status}: occurred, although NEVER has it"
                elif not occurred:
                    yield f"{name} {status}: is documented and did not occur"
                else:
                    yield from self.missing_content(f"{name} {status}", response, occurred)

    def missing_content(self, what, response, occurred):
        for media_type, content in response.get("content", {}).items():
            bodies = [parse(media_type, response.content) for response in occurred]
            errcode = self.resolve(content["schema"]).get("properties", {}).get("errcode", {})
            for code in errcode.get("enum", []):
                if not any(body["errcode"] == code for body in bodies):
                    yield f"{what} {code}: is documented and did not occur"
            examples = [example["value"] for example in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            shapes = [shape(body) for body in bodies]
            for example in examples:
                if shape(example) not in shapes:
                    yield f"{what}: the example is no real response: {example}"


def parse(media_type, content):
    return json.loads(content) if media_type == "application/json" else content.decode()


def shape(body):
    """Returns a body without what differs in each response."""
    if isinstance(body, dict):
        return {key: type(value) if key in VARIABLE else value for key, value in body.items()}
    return type(body)


class Dialect:
    """Requests of one prefix. An operation is a name, a method, a path, header fields and a body."""

    def __init__(self, document, servers, prefix, suffix, etag):
        self.document, self.servers, self.prefix, self.suffix, self.etag = document, servers, prefix, suffix, etag

    def name(self, action):
        return "etag" + action[0].upper() + action[1:] if self.etag else action + self.suffix

    def call(self, action, path="", body=None, headers=None, server="open", **options):
        """Sends a request, by default a valid one, and checks the response."""
        method = {"discover": "GET", "create": "POST", "read": "GET", "delete": "DELETE"}.get(action, "PUT")
        headers = {**(TEXT if self.etag and body is not None else JSON), **(headers or {})}
        if isinstance(body, dict):
            body = json.dumps(body)
        body = body.encode() if isinstance(body, str) else body
        response = send(self.servers[server], method, self.prefix + path, headers, body, **options)
        return self.document.record(self.name(action), response)

    def create(self, data="hello from one", **options):
        return self.call("create", body=data if self.etag else {"data": data}, **options)

    def session(self):
        """Creates a session, and returns its path and the token of its state."""
        created = self.create()
        body = json.loads(created.content)
        if self.etag:
            return "/" + body["url"].rsplit("/", 1)[1], created.headers["etag"][0]
        return "/" + body["id"], body["sequence_token"]

    def write(self, path, token, data="hello from two", action="write", **options):
        if self.etag:
            return self.call(action, path, data, {"If-Match": token}, **options)
        return self.call(action, path, {"sequence_token": token, "data": data}, **options)

    def any_action(self):
        """Returns each operation, as a function of options that sends a valid request."""
        path, token = self.session()
        yield self.create
        yield lambda **options: self.call("read", path, **options)
        yield lambda **options: self.write(path, token, **options)
        yield lambda **options: self.call("delete", path, **options)
        if not self.etag:
            yield lambda **options: self.call("discover", **options)
            yield lambda **options: self.write(path + "/m", token, action="writeWithTxnId", **options)

    def with_body(self):
        """Returns each operation that has a body, as a function of the body, header fields and options."""
        path, token = self.session()
        match = {"If-Match": token} if self.etag else {}
        yield lambda body, headers=JSON, **options: self.call("create", "", body, headers, **options)
        yield lambda body, headers=JSON, **options: self.call("write", path, body, {**match, **headers}, **options)
        if not self.etag:
            yield lambda body, **options: self.call("writeWithTxnId", path + "/m", body, **options)

    def errors_of_any_request(self):
        for action in self.any_action():
            action(host=False)
            for server in ("denied", "off", "storeless"):
                action(server=server)
        for action in self.any_action():
            for _ in range(ATTEMPTS):
                if action(server="limited").status_code == 429:
                    break
        for send_body in self.with_body():
            valid = "hello" if self.etag else {"sequence_token": "t", "data": "hello"}
            send_body(valid, end="wait")
            send_body(valid, end="close")
            send_body(TOO_LONG if self.etag else {"sequence_token": "t", "data": TOO_LONG})
            send_body(b"x" * 40000)

    def life(self):
        """A session from its creation to its end, with the errors on the way."""
        for deleted in (False, True):
            path, token = self.session()
            self.call("read", path, headers={"X-Rendezvous-Probe": "probe1"})
            if deleted:
                self.call("delete", path)
                for action in (lambda: self.call("read", path), lambda: self.call("delete", path),
                               lambda: self.write(path, token)):
                    action()
        self.call("read", path, headers={"Sec-Fetch-Dest": "document"})
        path, token = self.session()
        for n in range(ATTEMPTS * 10):
            written = self.write(path, token, f"write {n}")
            if written.status_code == 429:
                break
            last, token = token, written.headers["etag"][0] if self.etag else json.loads(written.content)["sequence_token"]
        self.write(path, last, "stale")


def json_dialect(dialect):
    dialect.life()
    dialect.errors_of_any_request()
    for send_body in dialect.with_body():
        for body in ("{", "[]", "{}", {"data": 1, "sequence_token": "t"}, {"sequence_token": "t"}):
            send_body(body)
    path, token = dialect.session()
    for txn in ("a", "a", "b", "c", "a%20b"):
        dialect.write(f"{path}/{txn}", token, action="writeWithTxnId")
    dialect.call("delete", path)
    dialect.write(f"{path}/a", token, action="writeWithTxnId")
    dialect.call("discover")
    dialect.call("discover", server="maintenance")
    dialect.create(server="maintenance")
    for token in (None, "user", "guest", "unknown", "down"):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        dialect.call("discover", headers=headers, server="authenticated")
        dialect.create(headers=headers, server="authenticated")


def etag_dialect(dialect):
    dialect.life()
    dialect.errors_of_any_request()
    path, tag = dialect.session()
    for tags in (tag, "*"):
        dialect.call("read", path, headers={"If-None-Match": tags})
    for server in ("denied", "limited", "storeless"):
        for response in (dialect.call("read", path, headers={"If-None-Match": '"mine"'}, server=server),
                         dialect.write(path, tag, server=server)):
            etag = response.headers.get("etag")
            is_echoed, may_lack_etag = etag == ['"mine"'], response.status_code == 403
            if not (is_echoed if response.request.method == "GET" else etag or may_lack_etag):
                dialect.document.failures.append(f"{response.request.method} at {server}: R2.13, R2.14: no ETag")
    for send_body in dialect.with_body():
        send_body("hello", {"Content-Type": "application/json"})
        send_body(b"\xff")
    send(dialect.servers["open"], "POST", dialect.prefix, {}, b"hello")
    for action, method, at in (("create", "POST", ""), ("write", "PUT", path)):
        response = send(dialect.servers["open"], method, dialect.prefix + at, {"If-Match": tag}, b"hello")
        dialect.document.record(dialect.name(action), response)
    dialect.create(server="maintenance")


def admin(document, servers):
    for name, path in (("healthz", "/healthz"), ("readyz", "/readyz"), ("readyz", "/readyz?verbose"),
                       ("metrics", "/metrics"), ("version", "/version")):
        for server in ("open", "unreached"):
            document.record(name, send(servers[server], "GET", path))
    sessions(document, servers, servers["token"])


def sessions(document, servers, token):
    def call(name, query="", server="open", token=token):
        method = "GET" if name == "countSessions" else "DELETE"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        document.record(name, send(servers[server], method, f"/admin/v1/sessions{query}", headers))

    call("countSessions", server="maintenance")
    call("countSessions", "?limit=20")
    call("endSessions", "?all=true", server="maintenance")
    for query in ("?client=Zm9vYmFyYmF6", "?user=Zm9vYmFyYmF6", "?address=2001:db8::1", "?user_id=%40anna%3Aexample.org"):
        call("endSessions", query)
    for name, bad_queries in (("countSessions", ["?limit=0", "?all=true"]),
                              ("endSessions", ["", "?all=1", "?client=x", "?all=true&client=Zm9vYmFyYmF6"])):
        for query in bad_queries:
            call(name, query)
        for wrong in (None, "wrong"):
            call(name, token=wrong)
        call(name, server="off")
        call(name, "" if name == "countSessions" else "?all=true", server="storeless")
        for _ in range(20):
            call(name, server="denied", token="wrong")


def main(path, *servers):
    servers = dict(server.split("=", 1) for server in servers)
    document = Document(path)
    if "healthz" in document.operations:
        admin(document, servers)
    else:
        unstable = "/_matrix/client/unstable"
        json_dialect(Dialect(document, servers, f"{unstable}/io.element.msc4388/rendezvous", "", False))
        json_dialect(Dialect(document, servers, "/_matrix/client/v1/rendezvous", "Stable", False))
        etag_dialect(Dialect(document, servers, f"{unstable}/org.matrix.msc4108/rendezvous", "", True))
    failures = sorted({*document.failures, *document.missing()})
    if failures:
        sys.exit(f"{path}:\n" + "\n".join(failures))
    responses = sum(len(seen) for seen in document.seen.values())
    print(f"ok  {path}: {responses} responses, {len(document.seen)} of different operations and statuses")


main(*sys.argv[1:])
