#!/usr/bin/env python3
"""A stand-in for a homeserver that checks access tokens: homeserver.py PORT

The token is the result: "user" and "guest" are accepted, "down" gets 500, and any other token is unknown.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RESULTS = {
    "user": (200, {"user_id": "@user:example.org", "is_guest": False}),
    "guest": (200, {"user_id": "@guest:example.org", "is_guest": True}),
    "down": (500, {"errcode": "M_UNKNOWN", "error": "Internal server error"}),
}
UNKNOWN = (401, {"errcode": "M_UNKNOWN_TOKEN", "error": "Unknown token", "soft_logout": False})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        status, body = RESULTS.get(token, UNKNOWN)
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
