// The homeserver of a sign-in: a stub, or a running one (tests/interop/synapse). Both have a base URL, OAuth metadata, and
// a close function.

import { createServer } from "node:http";
import { bearerOf, bodyOf, listener, oauth } from "../oauth.mjs";

export const RENDEZVOUS = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";

/** A stub of the endpoints that a sign-in uses. It delegates the rendezvous by a 307, like Synapse. */
export async function stubbed(worker) {
    const devices = new Set();
    const keys = keyStore();
    const server = createServer(listener(async (request, pathname) => {
        const route = `${request.method} ${pathname}`;
        const session = auth.sessions.get(bearerOf(request));
        if (route === "GET /_matrix/client/versions") {
            return [200, { versions: ["v1.15"], unstable_features: { "org.matrix.msc4108": true } }];
        }
        if (route === `POST ${RENDEZVOUS}`) return [307, {}, { location: `${worker}${RENDEZVOUS}` }];
        if (route === "GET /_matrix/client/v1/auth_metadata") return [200, auth.metadata];
        if (session && route === "GET /_matrix/client/v3/account/whoami") {
            return [200, { user_id: `@${session.user}:stub`, device_id: session.device }];
        }
        if (session && route.startsWith("GET /_matrix/client/v3/devices/")) {
            // A device id can contain slashes: matrix-sdk's is a key in base64.
            const device_id = decodeURIComponent(pathname.slice("/_matrix/client/v3/devices/".length));
            return devices.has(device_id) ? [200, { device_id }] : [404, { errcode: "M_NOT_FOUND", error: "none" }];
        }
        if (session && route.startsWith("POST /_matrix/client/v3/keys/")) {
            return keys.answer(pathname, JSON.parse(await bodyOf(request)), `@${session.user}:stub`);
        }
        // The user has no account data and no backups.
        if (session && pathname.startsWith("/_matrix/client/")) return [404, { errcode: "M_NOT_FOUND", error: "none" }];
        return auth.answer(request, pathname);
    }));
    // Node's default of 5 s is close to a client's polling interval, so the connection could close during a request.
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

/** The keys that an existing device publishes and a new device looks up. */
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

/** A running homeserver, with the OAuth stub. */
export async function running(base) {
    const metadata = await ask(`${base}/_matrix/client/v1/auth_metadata`);
    return { base, metadata, close() {} };
}

/** Creates the existing device: its session and its identity. */
export async function existingDevice({ base, metadata }, user, device) {
    const body = new URLSearchParams({ user, device });
    const { access_token: accessToken } = await ask(new URL("session", metadata.issuer), { method: "POST", body });
    const { user_id: userId, device_id: deviceId } = await whoami(base, accessToken);
    return { accessToken, userId, deviceId };
}

export const whoami = (base, token) => ask(`${base}/_matrix/client/v3/account/whoami`, as(token));

/** Approves the device that waits at this verification URL. */
export const agree = (verificationUri, token) => ask(verificationUri, { method: "POST", ...as(token) });

/** Returns the public master key that the user's devices have published. */
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
