"""Sends requests that HTTP libraries refuse to send: without `Host`, or with a body that never arrives whole."""

import http.client
import socket

import requests
from schemathesis import Response

TIMEOUT = 20


def send(server, method, path, headers=None, body=None, host=True, end=None):
    """Returns the response of `server`, as schemathesis represents it.

    `end` announces a longer body than is sent, and then waits ("wait") or closes the sending side ("close").
    """
    headers = dict(headers or {})
    address = server.removeprefix("http://")
    if host:
        headers["Host"] = address
    if body is not None:
        headers["Content-Length"] = str(len(body) + (10 if end else 0))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with socket.create_connection(address.split(":"), timeout=TIMEOUT) as connection:
        # In one piece: the entity tag of a rejected write depends on a body that has arrived (R2.15).
        connection.sendall("\r\n".join(lines).encode() + (body or b""))
        if end == "close":
            connection.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        content = response.read()
    fields = {}
    for name, value in response.getheaders():
        fields.setdefault(name.lower(), []).append(value)
    sent = requests.Request(method, server + path, headers=headers, data=body).prepare()
    return Response(
        status_code=response.status, headers=fields, content=content, request=sent, elapsed=0.0, verify=False,
        encoding="utf-8",
    )
