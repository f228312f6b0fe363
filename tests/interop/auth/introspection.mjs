// Tokens of a real OAuth 2.0 server, at workers that use introspection.
//
//   node introspection.mjs PROVIDER WORKER LATER WRONG
//
// LATER sees a token only after its end, so its cache has no earlier result. WRONG uses a client secret that the server
// does not know.

import assert from "node:assert/strict";
import { accepted, eventually, forbidden, goesOn, refused, unsure } from "./checks.mjs";

const [PROVIDER, WORKER, LATER, WRONG] = process.argv.slice(2);
const API = "urn:matrix:client:api:*";

async function form(path, fields, headers) {
    const reply = await fetch(PROVIDER + path, { method: "POST", headers, body: new URLSearchParams(fields) });
    assert.equal(reply.status, 200, path);
    return reply.text();
}

/** Issues an access token of a user. */
async function issue(scope, seconds = 600) {
    return JSON.parse(await form("/issue", { scope, seconds })).access_token;
}

const revoke = (token) => form("/token/revocation", { token }, { authorization: `Basic ${btoa("device:secret")}` });

const device = "urn:matrix:client:device:ABC";
const good = await issue(`openid ${API} ${device}`);
const session = await accepted(WORKER, good, "a user");
await goesOn(session, undefined, "a client");
await accepted(WORKER, await issue(`urn:matrix:org.matrix.msc2967.client:api:* ${device}`), "the former name of the scope");
await forbidden(WORKER, await issue(`openid ${device}`), "a token without the client API scope");
await forbidden(WORKER, await issue(`openid ${API}x`), "a scope with the same prefix");
await forbidden(WORKER, undefined, "no token");
await refused(WORKER, "no token", "an unknown token");
await accepted(WORKER, good, "a user, again");

const revoked = await issue(API);
await accepted(WORKER, revoked, "a token that will be revoked");
await revoke(revoked);
await refused(LATER, revoked, "a revoked token");

// A client can make up any token, even a JWT, which this server does not introspect. Such tokens must not affect others:
// six of them do not stop the worker from verifying other tokens.
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
for (let n = 0; n < 6; n++) {
    await refused(WORKER, `${part({ alg: "RS256" })}.${part({ n })}.c2ln`, "a JWT");
}
await accepted(WORKER, await issue(API), "a user after that");

// An accepted token is cached for a minute, but no longer than the token is valid.
const seconds = 4;
const brief = await issue(API, seconds);
const issued = Date.now();
await accepted(WORKER, brief, "a token that ends soon");
await eventually(() => refused(WORKER, brief, "a token that has ended"));
const lived = (Date.now() - issued) / 1000;
assert.ok(lived > seconds - 2, `it ended after ${lived} s of ${seconds}`);

// The server's 401 concerns our client secret, not the token. It must not sign any user out.
await unsure(WRONG, good, "a user, with our secret wrong");
await forbidden(WRONG, undefined, "no token, with our secret wrong");
