// A stand-in for a proxy that cannot run here: like Cloudflare, it removes the ETag from a response without Content-Type,
// and changes nothing else.
//
//   node no-type-no-etag.mjs PORT WORKER...      (round-robin; a worker is HOST:PORT)

import { createServer, request as sendRequest } from "node:http";

const [port, ...workers] = process.argv.slice(2);
let turn = 0;
const server = createServer((request, response) => {
    const [host, workerPort] = workers[turn++ % workers.length].split(":");
    const { method, url: path, headers } = request;
    const proxied = sendRequest({ host, port: workerPort, method, path, headers }, (answer) => {
        if (!answer.headers["content-type"]) delete answer.headers.etag;
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
    });
    proxied.on("error", () => response.writeHead(502).end());
    request.pipe(proxied);
});
// As in real proxies: node's default of 5 s is close to the interval between two polls.
server.keepAliveTimeout = 75_000;
server.listen(Number(port), "127.0.0.1");
