// The origins around the page: the page's own, its homeserver, and a recorder in front of each worker.
//
// All are on loopback, because a browser sends Sec-Fetch-* only to trustworthy hosts. It treats *.localhost as such, so
// these are three sites.

import { createServer, request as forward } from "node:http";

export const JSON_DIALECT = "/_matrix/client/unstable/io.element.msc4388/rendezvous";
export const ETAG_DIALECT = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";

async function listen(server, host) {
    await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
    return `http://${host}:${server.address().port}`;
}

/** The origin of a page: serves these files by path, and an empty page for any other path. */
export function page(files = {}) {
    const server = createServer((request, response) => {
        const [type, content] = files[request.url] ?? ["text/html", "<!doctype html><title>page</title><body>"];
        response.writeHead(200, { "content-type": type });
        response.end(content);
    });
    return listen(server, "app.localhost");
}

/** A homeserver that delegates the rendezvous to `worker`, with the CORS headers that Synapse sends. */
export function homeserver(worker) {
    const server = createServer((request, response) => {
        const delegated = request.url === ETAG_DIALECT;
        response.setHeader("access-control-allow-origin", "*");
        response.setHeader("access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE, OPTIONS");
        response.setHeader("access-control-allow-headers", delegated
            ? "Content-Type, If-Match, If-None-Match"
            : "X-Requested-With, Content-Type, Authorization, Date");
        request.resume();
        if (request.method === "OPTIONS") {
            response.writeHead(204).end();
        } else if (delegated) {
            response.writeHead(307, { location: `${worker}${ETAG_DIALECT}` }).end();
        } else {
            response.setHeader("content-type", "application/json");
            response.end(JSON.stringify({ versions: ["v1.15"], unstable_features: { "org.matrix.msc4108": true } }));
        }
    });
    return listen(server, "homeserver.localhost");
}

/**
 * Passes everything on to `worker` and back as it is, and adds to `seen` what Chromium sent and received:
 * preflights, which no script sees, and requests of tabs and frames.
 */
export function recorder(worker, seen) {
    const { hostname, port } = new URL(worker);
    const server = createServer((request, response) => {
        const { method, url, rawHeaders, headers } = request;
        const onward = forward({ hostname, port, method, path: url, headers: rawHeaders }, async (reply) => {
            const body = Buffer.concat(await reply.toArray());
            seen.push({ method, url, headers, status: reply.statusCode, reply: reply.headers, body: body.toString() });
            response.sendDate = false;
            response.writeHead(reply.statusCode, reply.rawHeaders);
            response.end(body);
        });
        onward.on("error", () => response.destroy());
        request.pipe(onward);
    });
    return listen(server, "127.0.0.1");
}
