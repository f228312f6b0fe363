// Tokens that a Synapse asks OAuth about, at a worker that asks this Synapse.
//
//   node delegated.mjs OAUTH WORKER OAUTH-PROCESS
//
// It ends the stub.

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
await refused(WORKER, "nobody", "a token that is nobody's");

// Without its OAuth Synapse cannot say who somebody is, and nobody must be signed out over that.
process.kill(Number(PROCESS), "SIGTERM");
await unsure(WORKER, unasked, "a user whom Synapse cannot ask about");
await accepted(WORKER, known, "a user who was known a moment ago");
