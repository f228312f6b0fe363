// A stand-in for the homeserver behind a proxy, and for the web site of its server name. The homeserver echoes the request
// line, and answers the requests by which clients discover QR code sign-in. The site is https://example.org with
// .well-known, and with the authorization server. Usage: homeserver.mjs PORT SITE_PORT FILE, a PEM file with certificate and
// key of the site.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSite } from "node:https";

const answer = (response, status, body) => {
    response.writeHead(status, { "Content-Type": "application/json", "Access-Control-Allow-Origin": "*" });
    response.end(JSON.stringify(body));
};

const known = {
    "/_matrix/client/versions": { unstable_features: { "org.matrix.msc4108": true } },
    "/_matrix/client/v1/auth_metadata": {
        issuer: "https://example.org/",
        device_authorization_endpoint: "https://example.org/oauth2/device",
        grant_types_supported: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
    },
};
createServer((request, response) => {
    answer(response, 200, known[request.url] ?? { homeserver: `${request.method} ${request.url}` });
}).listen(Number(process.argv[2]), "127.0.0.1");

// The identity server is there because its base_url must not be taken for the homeserver's.
const wellKnown = {
    "m.homeserver": { base_url: "https://matrix.example.org/" },
    "m.identity_server": { base_url: "https://identity.example.org" },
};
const site = {
    "/.well-known/matrix/client": [200, wellKnown],
    "/oauth2/device": [400, { error: "invalid_request" }],
    "/link": [200, {}],
};
const pem = readFileSync(process.argv[4]);
createSite({ cert: pem, key: pem }, (request, response) => {
    answer(response, ...(site[request.url] ?? [404, {}]));
}).listen(Number(process.argv[3]), "127.0.0.1");
