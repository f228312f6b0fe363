"""The two dialects as their clients speak them, and a device of each: one connection to one worker, from one address."""

import http.client
import json

PATHS = {
    "json": "/_matrix/client/unstable/io.element.msc4388/rendezvous",
    "v1": "/_matrix/client/v1/rendezvous",
    "etag": "/_matrix/client/unstable/org.matrix.msc4108/rendezvous",
}
# What proxies do to an ETag on its way, in turn.
MANGLED = [lambda tag: "W/" + tag, lambda tag: tag.strip('"'), lambda tag: tag[:-1] + '-gzip"']


class Refused(Exception):
    """Any reply but the one that a sign-in goes on with: today's clients end it there, and so does this."""


class Device:
    def __init__(self, dialect, worker, address, token=None, mangle=None):
        self.dialect, self.address, self.token = dialect, address, token
        self.mangle = mangle or (lambda tag: tag)
        self.path, self.known = PATHS[dialect], None
        # Longer than the service takes for anything (http.request_timeout).
        self.http = http.client.HTTPConnection(worker, timeout=40)

    def ask(self, method, path, body=None, headers=None, good=(200, 201, 202, 204, 304)):
        headers = {"X-Forwarded-For": self.address, **(headers or {})}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        self.http.request(method, path, body, headers)
        reply = self.http.getresponse()
        text = reply.read().decode()
        if reply.status not in good:
            raise Refused(f"{method} {reply.status}")
        return reply, text

    def discover(self):
        if self.dialect != "etag":
            self.ask("GET", self.path)

    def create(self, data):
        """Opens a session, and returns its path."""
        if self.dialect == "etag":
            reply, text = self.ask("POST", self.path, data, {"Content-Type": "text/plain"})
            self.known = reply.headers["ETag"]
            return self.path + "/" + json.loads(text)["url"].rsplit("/", 1)[1]
        _, text = self.ask("POST", self.path, json.dumps({"data": data}), {"Content-Type": "application/json"})
        self.known = json.loads(text)["sequence_token"]
        return self.path + "/" + json.loads(text)["id"]

    def poll(self, session):
        if self.dialect == "etag":
            known = {"If-None-Match": self.mangle(self.known)} if self.known else {}
            reply, _ = self.ask("GET", session, headers=known)
            self.known = reply.headers["ETag"]
        else:
            self.known = json.loads(self.ask("GET", session)[1])["sequence_token"]

    def write(self, session, data, over=None):
        over = over or self.known
        if self.dialect == "etag":
            headers = {"Content-Type": "text/plain", "If-Match": self.mangle(over)}
            reply, _ = self.ask("PUT", session, data, headers)
            self.known = reply.headers["ETag"]
        else:
            body = json.dumps({"sequence_token": over, "data": data})
            self.known = json.loads(self.ask("PUT", session, body)[1])["sequence_token"]

    def delete(self, session):
        self.ask("DELETE", session)

    def close(self):
        self.http.close()
