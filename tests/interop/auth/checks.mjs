// What a worker answers to who wants to create a session, by discovery and by creation, each of which must say
// the same; and what it answers to who goes on with one.

import assert from "node:assert/strict";

const RENDEZVOUS = "/_matrix/client/unstable/io.element.msc4388/rendezvous";

/** One request; no token is no header. */
export async function ask(url, method, { token, authorization = token && `Bearer ${token}`, body } = {}) {
    const headers = { ...authorization && { authorization } };
    const reply = await fetch(url, {
        method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(10_000),
    });
    return { status: reply.status, retryAfter: reply.headers.get("retry-after"), body: await reply.json() };
}

/** [discovery's reply, creation's reply]. */
async function both(worker, token) {
    const url = worker + RENDEZVOUS;
    return [await ask(url, "GET", { token }), await ask(url, "POST", { token, body: { data: "hello" } })];
}

/** Who shows the token may create sessions; this one, as its URL and its sequence token. */
export async function accepted(worker, token, who) {
    const [discovery, creation] = await both(worker, token);
    assert.deepEqual([discovery.status, discovery.body], [200, { create_available: true }], who);
    assert.equal(creation.status, 200, `${who}: ${JSON.stringify(creation.body)}`);
    const { id, sequence_token } = creation.body;
    return { url: `${worker}${RENDEZVOUS}/${id}`, sequence_token };
}

/** Who shows the token, or none, may create no session, and has done nothing wrong. */
export async function forbidden(worker, token, who) {
    const [discovery, creation] = await both(worker, token);
    assert.deepEqual([discovery.status, discovery.body], [200, { create_available: false }], who);
    assert.deepEqual([creation.status, creation.body.errcode], [403, "M_FORBIDDEN"], who);
}

/** The token is refused, so that the client signs out, or asks its user to sign in again (soft_logout). */
export async function refused(worker, token, who, soft_logout = false, errcode = "M_UNKNOWN_TOKEN") {
    for (const { status, body } of await both(worker, token)) {
        const { error, ...rest } = body;
        assert.deepEqual([status, rest, typeof error], [401, { errcode, soft_logout }, "string"], who);
    }
}

/** Nobody can say: the client keeps its token, and tries again. */
export async function unsure(worker, token, who) {
    for (const { status, body, retryAfter } of await both(worker, token)) {
        assert.deepEqual([status, body.errcode], [503, "M_UNKNOWN"], who);
        assert.match(retryAfter ?? "none", /^[1-9][0-9]*$/, `${who}: Retry-After`);
    }
}

/** A session that is there goes on, whatever the request's Authorization; ask again with what it returns. */
export async function goesOn({ url, sequence_token }, authorization, who) {
    const written = await ask(url, "PUT", { authorization, body: { sequence_token, data: `by ${who}` } });
    assert.equal(written.status, 200, `${who} writes: ${JSON.stringify(written.body)}`);
    const read = await ask(url, "GET", { authorization });
    assert.deepEqual([read.status, read.body.data], [200, `by ${who}`], `${who} reads`);
    return { url, sequence_token: written.body.sequence_token };
}

/** Tries again until it holds, for 20 s. */
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
