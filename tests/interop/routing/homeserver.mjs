// A stand-in for the homeserver behind a proxy. It echoes the request line, and answers the two requests by which clients
// discover QR code sign-in. Usage: homeserver.mjs PORT
import { createServer } from "node:http";

const known = {
    "/_matrix/client/versions": { unstable_features: { "org.matrix.msc4108": true } },
    "/_matrix/client/v1/auth_metadata": {
        grant_types_supported: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
    },
};
createServer((request, response) => {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(known[request.url] ?? { homeserver: `${request.method} ${request.url}` }));
}).listen(Number(process.argv[2]), "127.0.0.1");
