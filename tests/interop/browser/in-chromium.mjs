// A page of another origin uses both dialects by fetch in Chromium. Also checks what a tab shows of a session.
//
//   node in-chromium.mjs --chromium COMMAND [--limited WORKER --storeless WORKER --tls PROXY] WORKER...
//
// Requests alternate between the workers. The worker of --limited allows a client one creation and one request on a
// session. The worker of --storeless has lost its Redis. The proxy of --tls has a certificate that nobody signed.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import puppeteer from "puppeteer-core";
import { ETAG_DIALECT, JSON_DIALECT, homeserver, page as pageServer, recorder } from "./origins.mjs";
import { channelBetweenTabs } from "./js-sdk.mjs";
import { refusesToShow } from "./shown.mjs";

const TEXT = { "Content-Type": "text/plain" };
// Headers that web clients add to any request; each needs a preflight that allows it.
const ASKED = { "X-Requested-With": "XMLHttpRequest" };
const AUTHORIZED = { ...ASKED, "Authorization": "Bearer x", "Content-Type": "application/json" };
const TAG = /^"[\w-]{22,}"$/;
const DEADLINE = 60_000;

const option = { type: "string" };
const { values: { chromium, limited, storeless, tls }, positionals: workers } = parseArgs({
    options: { chromium: option, limited: option, storeless: option, tls: option }, allowPositionals: true,
});
setTimeout(() => { console.error("not done within a minute"); process.exit(1); }, DEADLINE).unref();

const seen = [];
const origins = await Promise.all(workers.map((worker) => recorder(worker, seen)));
const app = await pageServer();
const delegating = await homeserver(origins[0]);
const browser = await puppeteer.launch({
    executablePath: chromium,
    // Chromium's sandbox rejects root, and shared memory is small in containers.
    args: [...(process.getuid() === 0 ? ["--no-sandbox"] : []), "--disable-dev-shm-usage"],
    acceptInsecureCerts: Boolean(tls),
});
const page = await browser.newPage();
await page.goto(app);

/** Sends a request from the page's script. Returns everything that the script can read of the response. */
const ask = (method, url, headers = {}, body = undefined, cache = "no-store") => page.evaluate(async (url, init) => {
    try {
        const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
        const [etag, type, expires] = ["ETag", "Content-Type", "Expires"].map((name) => response.headers.get(name));
        return { status: response.status, etag, type, expires, text: await response.text(), redirected: response.redirected };
    } catch (error) {
        return { status: `${error}` };
    }
}, url, { method, headers, body, cache });
let turns = 0;
/** Returns the next worker's URL for a path, or for the path of a session's URL. */
const at = (path) => origins[turns++ % origins.length] + path.replace(/^http:\/\/[^/]*/, "");
const json = ({ text }) => JSON.parse(text);
function expect(reply, status, errcode) {
    assert.equal(reply.status, status, JSON.stringify(reply));
    if (errcode) {
        assert.equal(json(reply).errcode, errcode, reply.text);
        assert.equal(reply.type, "application/json");
    }
    return reply;
}

async function etagDialect() {
    const created = expect(await ask("POST", at(ETAG_DIALECT), TEXT, "one"), 201);
    assert.match(created.etag, TAG);
    const { url } = json(created);
    assert(origins.some((origin) => url.startsWith(`${origin}${ETAG_DIALECT}/`)), url);
    const read = expect(await ask("GET", at(url)), 200);
    assert.deepEqual([read.etag, read.type, read.text], [created.etag, "text/plain", "one"]);
    for (const { expires } of [created, read]) assert(Date.parse(expires) > Date.now(), "js-sdk's timer");
    // A script that sets If-None-Match itself sees the 304, in every cache mode.
    for (const cache of ["default", "no-store", "no-cache", "reload"]) {
        const unchanged = expect(await ask("GET", at(url), { ...ASKED, "If-None-Match": created.etag }, undefined, cache), 304);
        assert.deepEqual([unchanged.etag, unchanged.text, unchanged.expires], [created.etag, "", created.expires], cache);
    }
    const written = expect(await ask("PUT", at(url), { ...TEXT, ...ASKED, "If-Match": created.etag }, "two"), 202);
    assert.match(written.etag, TAG);
    assert.notEqual(written.etag, created.etag);
    const polled = expect(await ask("GET", at(url), { "If-None-Match": created.etag }), 200);
    assert.deepEqual([polled.text, polled.etag], ["two", written.etag]);
    const stale = expect(await ask("PUT", at(url), { ...TEXT, "If-Match": created.etag }, "three"), 412, "M_UNKNOWN");
    assert.equal(json(stale)["org.matrix.msc4108.errcode"], "M_CONCURRENT_WRITE");
    assert.equal(stale.etag, written.etag);
    assert.equal(expect(await ask("DELETE", at(url), ASKED), 204).text, "");
    assert.equal(expect(await ask("GET", at(url), { "If-None-Match": written.etag }), 404, "M_NOT_FOUND").etag, null);
    expect(await ask("PUT", at(url), { ...TEXT, "If-Match": written.etag }, "four"), 404, "M_NOT_FOUND");
    expect(await ask("DELETE", at(url)), 404, "M_NOT_FOUND");
}

async function etagRefusals() {
    // fetch sends a string as text/plain;charset=UTF-8.
    const { text } = expect(await ask("POST", at(ETAG_DIALECT), {}, "one"), 201);
    const { url } = JSON.parse(text);
    expect(await ask("PUT", at(url), TEXT, "two"), 400, "M_MISSING_PARAM");
    expect(await ask("PUT", at(url), { "Content-Type": "application/json", "If-Match": '"x"' }, "two"), 400, "M_INVALID_PARAM");
    expect(await ask("POST", at(`${ETAG_DIALECT}/a/b`), TEXT, "one"), 404, "M_UNRECOGNIZED");
    expect(await ask("POST", at(url), TEXT, "one"), 405, "M_UNRECOGNIZED");
    expect(await ask("POST", at(ETAG_DIALECT), TEXT, "x".repeat(4097)), 413, "M_TOO_LARGE");
    // Beyond the limit the worker also closes the connection, so the browser connects to it directly.
    const huge = "x".repeat(1 << 20);
    expect(await ask("POST", workers[0] + ETAG_DIALECT, TEXT, huge), 413, "M_TOO_LARGE");
    expect(await ask("POST", workers[0] + JSON_DIALECT, AUTHORIZED, JSON.stringify({ data: huge })), 413, "M_TOO_LARGE");
    assert.equal((await ask("GET", at(url))).text, "one");
}

/** After a redirect from one foreign origin to another the browser sends Origin: null. */
async function delegated() {
    for (const [headers, methods] of [[TEXT, ["POST"]], [{ ...TEXT, "If-None-Match": '"x"' }, ["OPTIONS", "POST"]]]) {
        const before = seen.length;
        const created = expect(await ask("POST", delegating + ETAG_DIALECT, headers, "one"), 201);
        assert(created.redirected);
        const arrived = seen.slice(before);
        assert.deepEqual(arrived.map(({ method }) => method), methods);
        for (const { headers } of arrived) assert.equal(headers.origin, "null");
        assert.match(created.etag, TAG);
        // From here on the page uses the session's own URL.
        const { url } = json(created);
        const written = expect(await ask("PUT", at(url), { ...TEXT, "If-Match": created.etag }, "two"), 202);
        assert.equal(seen.at(-1).headers.origin, app);
        assert.equal(expect(await ask("GET", at(url), { "If-None-Match": written.etag }), 304).etag, written.etag);
    }
}

async function jsonDialect() {
    const body = (sequence_token, data) => JSON.stringify({ sequence_token, data });
    const discovered = expect(await ask("GET", at(JSON_DIALECT), AUTHORIZED), 200);
    assert.deepEqual(json(discovered), { create_available: true });
    const created = json(expect(await ask("POST", at(JSON_DIALECT), AUTHORIZED, '{"data":"one"}'), 200));
    assert(created.expires_in_ms > 0);
    const session = `${JSON_DIALECT}/${created.id}`;
    const read = expect(await ask("GET", at(session), AUTHORIZED), 200);
    assert.equal(read.type, "application/json");
    assert.deepEqual([json(read).data, json(read).sequence_token], ["one", created.sequence_token]);
    const second = json(expect(await ask("PUT", at(session), AUTHORIZED, body(created.sequence_token, "two")), 200));
    for (const _ of ["the write", "its answer again"]) {
        const third = expect(await ask("PUT", at(`${session}/t1`), AUTHORIZED, body(second.sequence_token, "three")), 200);
        assert.equal(json(await ask("GET", at(session), AUTHORIZED)).sequence_token, json(third).sequence_token);
    }
    for (const stale of [session, `${session}/t2`]) {
        const written = await ask("PUT", at(stale), AUTHORIZED, body(created.sequence_token, "four"));
        expect(written, 409, "IO_ELEMENT_MSC4388_CONCURRENT_WRITE");
    }
    expect(await ask("PUT", at(session), AUTHORIZED, "no JSON"), 400, "M_NOT_JSON");
    expect(await ask("POST", at(`${session}/t1`), AUTHORIZED, "{}"), 405, "M_UNRECOGNIZED");
    assert.equal(json(await ask("GET", at(session), AUTHORIZED)).data, "three");
    assert.deepEqual(json(expect(await ask("DELETE", at(session), AUTHORIZED), 200)), {});
    expect(await ask("GET", at(session), AUTHORIZED), 404, "M_NOT_FOUND");
}

/**
 * Each of the requests above had a preflight: a request that bypasses the cache also bypasses cached preflights, and
 * If-Match and If-None-Match always bypass it. So each poll of the ETag dialect is two requests. Polls of the JSON
 * dialect can be one.
 */
async function preflights() {
    assert(!process.exitCode, "the requests that this check reads did not all succeed");
    const foreign = ["authorization", "if-match", "if-none-match", "x-requested-with"];
    const allowed = { headers: new Set(), methods: new Set() };
    seen.forEach(({ method, url, headers }, index) => {
        const simple = ["GET", "POST"].includes(method) && !foreign.some((name) => name in headers);
        if (method === "OPTIONS" || simple) return;
        const before = seen[index - 1];
        assert.deepEqual([before.method, before.url, before.headers["access-control-request-method"], before.status], ["OPTIONS", url, method, 204]);
        allowed.methods.add(`${url.startsWith(ETAG_DIALECT) ? "text" : "JSON"} ${method}`);
        for (const name of before.headers["access-control-request-headers"]?.split(",") ?? []) allowed.headers.add(name);
    });
    const methods = (dialect) => ["DELETE", "GET", "POST", "PUT"].map((method) => `${dialect} ${method}`);
    assert.deepEqual([...allowed.methods].sort(), [...methods("JSON"), ...methods("text")]);
    assert.deepEqual([...allowed.headers].sort(), ["authorization", "content-type", "if-match", "if-none-match", "x-requested-with"]);

    const before = seen.length;
    const poll = at(`${JSON_DIALECT}/gone`);
    for (const method of ["GET", "GET", "PUT", "DELETE"]) {
        expect(await ask(method, poll, AUTHORIZED, method === "PUT" ? '{"sequence_token":"x","data":""}' : undefined, "default"), 404, "M_NOT_FOUND");
    }
    assert.deepEqual(seen.slice(before).map(({ method }) => method), ["OPTIONS", "GET", "GET", "PUT", "DELETE"]);
}

async function limits() {
    const created = expect(await ask("POST", limited + ETAG_DIALECT, TEXT, "one"), 201);
    const { url } = json(created);
    for (const [path, headers, body] of [[ETAG_DIALECT, TEXT, "one"], [JSON_DIALECT, AUTHORIZED, "{}"]]) {
        const refused = expect(await ask("POST", limited + path, headers, body), 429, "M_LIMIT_EXCEEDED");
        assert(json(refused).retry_after_ms > 0, refused.text);
    }
    const written = expect(await ask("PUT", url, { ...TEXT, "If-Match": created.etag }, "two"), 202);
    // A rejected write carries the ETag that it would have produced; a rejected read echoes the client's.
    const refused = expect(await ask("PUT", url, { ...TEXT, "If-Match": written.etag }, "three"), 429, "M_LIMIT_EXCEEDED");
    assert.match(refused.etag, TAG);
    assert(![created.etag, written.etag].includes(refused.etag));
    const polled = expect(await ask("GET", url, { "If-None-Match": refused.etag }), 429, "M_LIMIT_EXCEEDED");
    assert.equal(polled.etag, refused.etag);
}

/** The response is never 404, which ends a sign-in. The ETag is as with a 429. */
async function outage() {
    const created = expect(await ask("POST", at(ETAG_DIALECT), TEXT, "one"), 201);
    const url = storeless + new URL(json(created).url).pathname;
    for (const [path, headers] of [[ETAG_DIALECT, TEXT], [JSON_DIALECT, AUTHORIZED]]) {
        expect(await ask("POST", storeless + path, headers, '{"data":"one"}'), 503, "M_UNKNOWN");
    }
    const written = expect(await ask("PUT", url, { ...TEXT, "If-Match": created.etag }, "two"), 503, "M_UNKNOWN");
    assert.match(written.etag, TAG);
    assert.notEqual(written.etag, created.etag);
    assert.equal(expect(await ask("GET", url, { "If-None-Match": written.etag }), 503, "M_UNKNOWN").etag, written.etag);
}

const groups = [
    ["the ETag dialect: 201, 200, 304, 202, 412, 204 and 404, each readable by the script", etagDialect],
    ["its errors are readable, even a 413 during the upload of a body", etagRefusals],
    ["a session that the homeserver delegates, by a 307 that results in Origin: null", delegated],
    ["the JSON dialect with Authorization, its conflicts and errors", jsonDialect],
    ["a preflight before each of these; the JSON dialect's preflights are cached", preflights],
    ...(limited ? [["a 429 of each limiter, with the required ETag", limits]] : []),
    ...(storeless ? [["a 503 while Redis is down, with the required ETag", outage]] : []),
    ["a session in a tab, a frame, a link, an image or a script shows and runs nothing",
        () => refusesToShow({ browser, page, ask, at, seen, expect })],
    ["two tabs with the released matrix-js-sdk, a session that their homeserver delegates, a channel over it",
        () => channelBetweenTabs({ browser, homeserver: delegating, worker: origins.at(-1), seen })],
    ...(tls ? [["the same over HTTP/2 with TLS, through a proxy",
        async () => channelBetweenTabs({ browser, homeserver: await homeserver(tls), worker: tls })]] : []),
];
for (const [what, check] of groups) {
    try {
        await check();
        console.log(`in Chromium: ${what}`);
    } catch (error) {
        process.exitCode = 1;
        console.error(`in Chromium, FAILED: ${what}`, error);
    }
}
await browser.close();
process.exit();
