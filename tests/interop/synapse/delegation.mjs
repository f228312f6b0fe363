// Checks what Synapse advertises and redirects if it delegates the rendezvous endpoint, and what a client then gets.
//
//   node delegation.mjs SYNAPSE WORKER

import assert from "node:assert/strict";
import { RENDEZVOUS } from "../sign-in/homeserver.mjs";

const [SYNAPSE, WORKER] = process.argv.slice(2);
const body = "hello";
const creation = { method: "POST", signal: AbortSignal.timeout(20_000), headers: { "content-type": "text/plain" }, body };

const versions = await fetch(`${SYNAPSE}/_matrix/client/versions`, { signal: creation.signal });
assert.equal((await versions.json()).unstable_features["org.matrix.msc4108"], true, "advertised");

const redirect = await fetch(`${SYNAPSE}${RENDEZVOUS}`, { ...creation, redirect: "manual" });
assert.equal(redirect.status, 307);
assert.equal(redirect.headers.get("location"), `${WORKER}${RENDEZVOUS}`);
assert.equal(redirect.headers.get("access-control-allow-origin"), "*");

// After the redirect a browser's origin is opaque, so only the value * allows the script to read the response.
const created = await fetch(`${SYNAPSE}${RENDEZVOUS}`, { ...creation, redirect: "follow" });
assert.equal(created.status, 201);
assert.equal(created.headers.get("access-control-allow-origin"), "*");
assert.match(created.headers.get("access-control-expose-headers"), /etag/i);
const { url } = await created.json();
assert.ok(url.startsWith(`${WORKER}${RENDEZVOUS}/`), `${url} is at the worker`);

const session = await fetch(url, { signal: creation.signal });
assert.equal(session.status, 200);
assert.equal(session.headers.get("etag"), created.headers.get("etag"));
assert.equal(await session.text(), body, "the body was forwarded by the redirect");
