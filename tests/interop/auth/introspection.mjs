// Tokens of a real OAuth 2.0 server, at workers that introspect them.
//
//   node introspection.mjs PROVIDER WORKER LATER WRONG
//
// LATER hears of a token only after its end, and so has no earlier answer to remember. WRONG shows a secret that
// the server does not know.

import assert from "node:assert/strict";
import { accepted, eventually, forbidden, goesOn, refused, unsure } from "./checks.mjs";

const [PROVIDER, WORKER, LATER, WRONG] = process.argv.slice(2);
const API = "urn:matrix:client:api:*";

async function form(path, fields, headers) {
    const reply = await fetch(PROVIDER + path, { method: "POST", headers, body: new URLSearchParams(fields) });
    assert.equal(reply.status, 200, path);
    return reply.text();
}

/** An access token of a user's. */
async function issue(scope, seconds = 600) {
    return JSON.parse(await form("/issue", { scope, seconds })).access_token;
}

const revoke = (token) => form("/token/revocation", { token }, { authorization: `Basic ${btoa("device:secret")}` });

const device = "urn:matrix:client:device:ABC";
const good = await issue(`openid ${API} ${device}`);
const session = await accepted(WORKER, good, "a user");
await goesOn(session, undefined, "a client");
await accepted(WORKER, await issue(`urn:matrix:org.matrix.msc2967.client:api:* ${device}`), "the scope's first name");
await forbidden(WORKER, await issue(`openid ${device}`), "who may not use the client API");
await forbidden(WORKER, await issue(`openid ${API}x`), "a scope that only begins so");
await forbidden(WORKER, undefined, "nobody");
await refused(WORKER, "nobody", "a token that is nobody's");
await accepted(WORKER, good, "a user, once more");

const revoked = await issue(API);
await accepted(WORKER, revoked, "a token that will be revoked");
await revoke(revoked);
await refused(LATER, revoked, "a revoked token");

// A client makes up what it likes, a JWT too, which this server does not introspect. That is this token's
// affair, and nobody else's: so many do not keep the worker from asking about others.
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
for (let n = 0; n < 6; n++) {
    await refused(WORKER, `${part({ alg: "RS256" })}.${part({ n })}.c2ln`, "a JWT");
}
await accepted(WORKER, await issue(API), "a user after that");

// A good answer is believed for a minute, but no longer than the token lives.
const seconds = 4;
const brief = await issue(API, seconds);
const issued = Date.now();
await accepted(WORKER, brief, "a token that ends soon");
await eventually(() => refused(WORKER, brief, "a token that has ended"));
const lived = (Date.now() - issued) / 1000;
assert.ok(lived > seconds - 2, `it ended after ${lived} s of ${seconds}`);

// The server's 401 is about us, not about the token: nobody must be signed out over our secret.
await unsure(WRONG, good, "a user, where our secret is wrong");
await forbidden(WRONG, undefined, "nobody, where our secret is wrong");
