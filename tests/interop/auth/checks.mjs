// Checks of a worker's responses to a client that wants to create a session (discovery and creation must agree), and to a
// client that uses an existing session.

import assert from "node:assert/strict";

const RENDEZVOUS = "/_matrix/client/unstable/io.element.msc4388/rendezvous";

/** Sends one request. Without a token it has no Authorization header. */
export async function ask(url, method, { token, authorization = token && `Bearer ${token}`, body } = {}) {
    const headers = { ...authorization && { authorization } };
    const reply = await fetch(url, {
        method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(10_000),
    });
    return { status: reply.status, retryAfter: reply.headers.get("retry-after"), body: await reply.json() };
}

/** Returns [response to discovery, response to creation]. */
async function both(worker, token) {
    const url = worker + RENDEZVOUS;
    return [await ask(url, "GET", { token }), await ask(url, "POST", { token, body: { data: "hello" } })];
}

/** The token may create sessions. Returns the new session: its URL and its sequence token. */
export async function accepted(worker, token, who) {
    const [discovery, creation] = await both(worker, token);
    assert.deepEqual([discovery.status, discovery.body], [200, { create_available: true }], who);
    assert.equal(creation.status, 200, `${who}: ${JSON.stringify(creation.body)}`);
    const { id, sequence_token } = creation.body;
    return { url: `${worker}${RENDEZVOUS}/${id}`, sequence_token };
}

/** The token, or its absence, is valid but does not permit creation (403). */
export async function forbidden(worker, token, who) {
    const [discovery, creation] = await both(worker, token);
    assert.deepEqual([discovery.status, discovery.body], [200, { create_available: false }], who);
    assert.deepEqual([creation.status, creation.body.errcode], [403, "M_FORBIDDEN"], who);
}

/** The token is rejected (401): the client signs out, or asks its user to sign in again (soft_logout). */
export async function refused(worker, token, who, soft_logout = false, errcode = "M_UNKNOWN_TOKEN") {
    for (const { status, body } of await both(worker, token)) {
        const { error, ...rest } = body;
        assert.deepEqual([status, rest, typeof error], [401, { errcode, soft_logout }, "string"], who);
    }
}

/** The token cannot be verified (503): the client keeps it and retries. */
export async function unsure(worker, token, who) {
    for (const { status, body, retryAfter } of await both(worker, token)) {
        assert.deepEqual([status, body.errcode], [503, "M_UNKNOWN"], who);
        assert.match(retryAfter ?? "none", /^[1-9][0-9]*$/, `${who}: Retry-After`);
    }
}

/** An existing session works with any Authorization header. Returns the session's new state. */
export async function goesOn({ url, sequence_token }, authorization, who) {
    const written = await ask(url, "PUT", { authorization, body: { sequence_token, data: `by ${who}` } });
    assert.equal(written.status, 200, `${who} writes: ${JSON.stringify(written.body)}`);
    const read = await ask(url, "GET", { authorization });
    assert.deepEqual([read.status, read.body.data], [200, `by ${who}`], `${who} reads`);
    return { url, sequence_token: written.body.sequence_token };
}

/** Repeats a check until it passes, for up to 20 s. */
export async function eventually(check) {
    const end = Date.now() + 20_000;
    for (;;) {
        try {
            return await check();
        } catch (error) {
            if (Date.now() > end) throw error;
        }
        await new Promise((done) => setTimeout(done, 200));
    }
}
