// Two tabs with the released matrix-js-sdk: a session that the homeserver delegates, and the secure channel over it.
// The sign-in over that channel is the same JavaScript as in node, where the other parts run it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { page as pageServer } from "./origins.mjs";

const CRYPTO = import.meta.resolve("@matrix-org/matrix-sdk-crypto-wasm");
const WASM = "pkg/matrix_sdk_crypto_wasm_bg.wasm";

/** Returns the origin of a page that serves the client, built like a web client. */
async function webClient() {
    const entryPoints = [fileURLToPath(new URL("in-tab.mjs", import.meta.url))];
    const { outputFiles: [script] } = await build({ entryPoints, bundle: true, format: "esm", write: false, logLevel: "error" });
    return pageServer({
        "/": ["text/html", '<!doctype html><script type="module" src="/in-tab.js"></script>'],
        "/in-tab.js": ["text/javascript", script.contents],
        [`/${WASM}`]: ["application/wasm", await readFile(new URL(WASM, CRYPTO))],
    });
}

/** With the requests that a recorder has `seen`, checks that the creation followed the homeserver's redirect. */
export async function channelBetweenTabs({ browser, homeserver, worker, seen }) {
    const origin = await webClient();
    const [shows, scans] = await Promise.all([1, 2].map(async () => {
        const tab = await browser.newPage();
        await tab.goto(origin);
        return tab;
    }));
    const both = (ask) => Promise.all([shows.evaluate(ask), scans.evaluate(ask)]);

    const code = await shows.evaluate((homeserver) => show(homeserver), homeserver);
    if (seen) {
        const { method, headers } = seen.at(-1);
        assert.deepEqual([method, headers.origin], ["POST", "null"]);
    }
    const url = await scans.evaluate((code, worker) => scan(code, worker), code, worker);
    await both(() => channel.connect());
    const [shown, entered] = await both(() => channel.getCheckCode());
    assert.match(shown, /^\d\d$/);
    assert.equal(shown, entered);
    for (const [from, to] of [[shows, scans], [scans, shows], [shows, scans], [scans, shows]]) {
        const message = { type: "test", text: `${Math.random()}` };
        const received = to.evaluate(() => channel.secureReceive());
        await from.evaluate((message) => channel.secureSend(message), message);
        assert.deepEqual(await received, message);
    }
    assert.deepEqual(await both(() => failures), [[], []]);
    await shows.evaluate(() => channel.close());
    assert.equal(await scans.evaluate(async (url) => (await fetch(url)).status, url), 404);
    await Promise.all([shows.close(), scans.close()]);
}
