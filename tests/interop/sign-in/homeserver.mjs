// The homeserver that two devices sign in at: a stub, or one that runs (tests/interop/synapse). Both are a base
// URL, the base URL's OAuth metadata, and an end.

import { createServer } from "node:http";
import { bearerOf, bodyOf, listener, oauth } from "../oauth.mjs";

export const RENDEZVOUS = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";

/** As far as a sign-in asks one, with its delegation of the rendezvous by a 307, as Synapse makes it. */
export async function stubbed(worker) {
    const devices = new Set();
    const keys = keyStore();
    const server = createServer(listener(async (request, pathname) => {
        const asked = `${request.method} ${pathname}`;
        const session = auth.sessions.get(bearerOf(request));
        if (asked === "GET /_matrix/client/versions") {
            return [200, { versions: ["v1.15"], unstable_features: { "org.matrix.msc4108": true } }];
        }
        if (asked === `POST ${RENDEZVOUS}`) return [307, {}, { location: `${worker}${RENDEZVOUS}` }];
        if (asked === "GET /_matrix/client/v1/auth_metadata") return [200, auth.metadata];
        if (session && asked === "GET /_matrix/client/v3/account/whoami") {
            return [200, { user_id: `@${session.user}:stub`, device_id: session.device }];
        }
        if (session && asked.startsWith("GET /_matrix/client/v3/devices/")) {
            // A device's id can have slashes: matrix-sdk's is a key in base64.
            const device_id = decodeURIComponent(pathname.slice("/_matrix/client/v3/devices/".length));
            return devices.has(device_id) ? [200, { device_id }] : [404, { errcode: "M_NOT_FOUND", error: "none" }];
        }
        if (session && asked.startsWith("POST /_matrix/client/v3/keys/")) {
            return keys.answer(pathname, JSON.parse(await bodyOf(request)), `@${session.user}:stub`);
        }
        // Account data, backups: the user has none.
        if (session && pathname.startsWith("/_matrix/client/")) return [404, { errcode: "M_NOT_FOUND", error: "none" }];
        return auth.answer(request, pathname);
    }));
    // Node's 5 s are about the pause between two questions of a client: the connection would close under one.
    server.keepAliveTimeout = 75_000;
    await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
    const base = `http://127.0.0.1:${server.address().port}`;
    const auth = oauth(base, (_, device) => devices.add(device));
    const close = () => {
        server.close();
        server.closeAllConnections();
    };
    return { base, metadata: auth.metadata, close };
}

/** The keys that an existing device publishes and a new one looks up. */
function keyStore() {
    const devices = {};
    const crossSigning = {};
    const answer = (pathname, body, user) => {
        switch (pathname.slice("/_matrix/client/v3/keys/".length)) {
            case "upload":
                if (body.device_keys) devices[body.device_keys.device_id] = body.device_keys;
                return [200, { one_time_key_counts: { signed_curve25519: 50 } }];
            case "device_signing/upload":
                for (const [name, key] of Object.entries(body)) crossSigning[`${name}s`] = { [user]: key };
                return [200, {}];
            case "signatures/upload":
                return [200, { failures: {} }];
            case "query":
                return [200, { failures: {}, device_keys: { [user]: devices }, ...crossSigning }];
        }
    };
    return { answer };
}

/** One that runs, with the stub for its OAuth. */
export async function running(base) {
    const metadata = await ask(`${base}/_matrix/client/v1/auth_metadata`);
    return { base, metadata, close() {} };
}

/** A session of a device that exists, and who it is. */
export async function existingDevice({ base, metadata }, user, device) {
    const body = new URLSearchParams({ user, device });
    const { access_token: accessToken } = await ask(new URL("session", metadata.issuer), { method: "POST", body });
    const { user_id: userId, device_id: deviceId } = await whoami(base, accessToken);
    return { accessToken, userId, deviceId };
}

export const whoami = (base, token) => ask(`${base}/_matrix/client/v3/account/whoami`, as(token));

/** The user agrees to the device that asks at this address. */
export const agree = (verificationUri, token) => ask(verificationUri, { method: "POST", ...as(token) });

/** The public master key that a user's devices have published. */
export async function publishedMasterKey(base, { userId, accessToken }) {
    const body = JSON.stringify({ device_keys: { [userId]: [] } });
    const { master_keys } = await ask(`${base}/_matrix/client/v3/keys/query`, { method: "POST", body, ...as(accessToken) });
    return Object.values(master_keys[userId].keys)[0];
}

const as = (token) => ({ headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } });

async function ask(url, options) {
    const reply = await fetch(url, options);
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${url}: ${reply.status} ${text}`);
    return JSON.parse(text);
}
