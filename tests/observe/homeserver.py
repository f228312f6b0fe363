"""A homeserver that knows one user, for `auth.homeserver_url`: python3 homeserver.py PORT"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WhoAmI(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        good = self.headers["Authorization"] == "Bearer good"
        answer = {"user_id": "@one:example.org"} if good else {"errcode": "M_UNKNOWN_TOKEN", "error": "whose?"}
        body = json.dumps(answer).encode()
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *line):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), WhoAmI).serve_forever()
