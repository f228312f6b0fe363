// A proxy that is not to be had here, simulated: it takes the ETag off a reply that has no Content-Type, as
// Cloudflare does, and changes nothing else.
//
//   node no-type-no-etag.mjs PORT WORKER...      (round-robin; a worker is HOST:PORT)

import { createServer, request as ask } from "node:http";

const [port, ...workers] = process.argv.slice(2);
let turn = 0;
const server = createServer((request, response) => {
    const [host, workerPort] = workers[turn++ % workers.length].split(":");
    const { method, url: path, headers } = request;
    const asked = ask({ host, port: workerPort, method, path, headers }, (answer) => {
        if (!answer.headers["content-type"]) delete answer.headers.etag;
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
    });
    asked.on("error", () => response.writeHead(502).end());
    request.pipe(asked);
});
// As real proxies have it: node's 5 s are about the pause between two polls.
server.keepAliveTimeout = 75_000;
server.listen(Number(port), "127.0.0.1");
