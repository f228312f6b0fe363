// An HTTP relay between the two devices of one sign-in and the workers. It sends consecutive requests to consecutive
// workers, delays each, counts them, and resets TCP connections when it is asked to.

import { Agent, createServer, request as sendRequest } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

/** A read that takes longer than this at its worker is held. A stalled machine could make it so too. In milliseconds. */
const HELD = 400;

/**
 * Starts a relay. `workers` is a list of URLs, which may change. `latency` is what a round trip takes longer, in
 * milliseconds. `onHeld` is called with each read that is held: its worker, and a function that resets its connection.
 */
export async function relay({ workers, latency, onHeld = () => {} }) {
    const agent = new Agent({ keepAlive: true });
    const sockets = new Set();
    const reads = new Set();
    let [turn, requests, exposed, begun, first, last] = [0, 0, 0, 0];
    const server = createServer(async (incoming, response) => {
        requests += 1;
        first ??= performance.now();
        const end = incoming.method === "GET" ? beginRead() : () => {};
        const { method, url: path, headers, socket } = incoming;
        await delay(latency / 2);
        const worker = workers[turn++ % workers.length];
        const { hostname: host, port } = new URL(worker);
        if (socket.destroyed) return end();
        const held = method === "GET" && setTimeout(() => onHeld(worker, () => socket.resetAndDestroy()), HELD);
        const relayed = sendRequest({ agent, host, port, method, path, headers }, async (answer) => {
            clearTimeout(held);
            let body;
            try {
                body = await answer.toArray();
            } catch { // cut in the middle
                return socket.destroy();
            }
            await delay(latency / 2);
            response.sendDate = false;
            response.writeHead(answer.statusCode, answer.rawHeaders);
            response.end(Buffer.concat(body));
            last = performance.now();
        });
        relayed.on("error", () => socket.destroy());
        response.once("close", () => { // sent, or its connection was reset
            clearTimeout(held);
            relayed.destroy();
            end();
        });
        incoming.pipe(relayed);
    });
    /** Counts a read as in flight. Returns the function that ends it. */
    function beginRead() {
        const read = Promise.withResolvers();
        if (reads.size === 0) begun = performance.now();
        reads.add(read);
        return () => {
            if (!reads.delete(read)) return;
            if (reads.size === 0) exposed += performance.now() - begun;
            read.resolve();
        };
    }
    server.on("connection", (socket) => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
        socket.on("error", () => {}); // a device may reset its own
    });
    // As in real proxies: node's default of 5 s is close to the interval between two polls.
    server.keepAliveTimeout = 75_000;
    await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        /** Waits until the reads that are in flight have ended, and their replies have arrived: `patience` milliseconds at most. */
        async quiet(patience) {
            const ended = Promise.all([...reads].map(({ promise }) => promise));
            await Promise.race([ended.then(() => delay(100)), delay(patience)]);
        },
        /** Resets every connection. */
        reset() {
            for (const socket of sockets) socket.resetAndDestroy();
        },
        /** Number of requests, and times in seconds: from the first request to the last reply, and with a read in flight. */
        figures: () => ({ requests, seconds: (last - first) / 1000, exposed: exposed / 1000 }),
        close() {
            server.close();
            server.closeAllConnections();
            agent.destroy();
        },
    };
}
