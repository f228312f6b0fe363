"""Hooks of schemathesis: the links that OpenAPI cannot express."""

import schemathesis


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Links the ETag dialect's creation to the operations on the session. The response has the session's URL, and only
    schemathesis' own expressions can take the id out of it."""
    responses = raw_schema.get("components", {}).get("responses", {})
    if "EtagCreated" not in responses:
        return
    id_of_url = "$response.body#/url#regex:/rendezvous/([^/]+)$"
    etag = "$response.header.ETag"
    responses["EtagCreated"]["links"] = {
        "read": {"operationId": "etagRead", "parameters": {"path.id": id_of_url}},
        "poll": {"operationId": "etagRead", "parameters": {"path.id": id_of_url, "header.If-None-Match": etag}},
        "write": {"operationId": "etagWrite", "parameters": {"path.id": id_of_url, "header.If-Match": etag}},
        "delete": {"operationId": "etagDelete", "parameters": {"path.id": id_of_url}},
    }
