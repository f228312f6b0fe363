// Tokens that a Synapse verifies with OAuth, at a worker that verifies them with this Synapse.
//
//   node delegated.mjs OAUTH WORKER OAUTH-PROCESS
//
// It stops the OAuth stub.

import assert from "node:assert/strict";
import { accepted, refused, unsure } from "./checks.mjs";

const [OAUTH, WORKER, PROCESS] = process.argv.slice(2);

async function token(device) {
    const reply = await fetch(`${OAUTH}/session`, {
        method: "POST", body: new URLSearchParams({ user: "carol", device }),
    });
    assert.equal(reply.status, 200);
    return (await reply.json()).access_token;
}

const [known, unasked] = [await token("ONE"), await token("TWO")];
await accepted(WORKER, known, "a user");
await refused(WORKER, "nobody", "an unknown token");

// Without OAuth, Synapse cannot verify tokens. That must not sign any user out.
process.kill(Number(PROCESS), "SIGTERM");
await unsure(WORKER, unasked, "a user that Synapse cannot verify");
await accepted(WORKER, known, "a user in the cache");
