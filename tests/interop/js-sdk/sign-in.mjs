// Two matrix-js-sdk instances sign in by QR code, in both directions.
//
//   node sign-in.mjs WORKER_OF_THE_EXISTING_DEVICE WORKER_OF_THE_NEW_DEVICE [PAIRS SECONDS]
//
// With a number of pairs, so many sign in, in both directions by turns, beginning evenly over that time.
//
// The clients are the released ones: session, secure channel and sign-in. The homeserver (with its
// delegation of the rendezvous by a 307, as Synapse makes it) and OAuth are the stub below.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createClient } from "matrix-js-sdk";
import { MSC4108RendezvousSession, MSC4108SecureChannel, MSC4108SignInWithQR } from "matrix-js-sdk/lib/rendezvous/index.js";
import { initAsync, QrCodeData, QrCodeIntent } from "@matrix-org/matrix-sdk-crypto-wasm";
import { logger } from "matrix-js-sdk/lib/logger.js";

const [EXISTING, NEW, PAIRS, SECONDS] = process.argv.slice(2);
const RENDEZVOUS = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";
const NEW_DEVICE = "NEWDEVICE";
const SECRETS = { cross_signing: { master_key: "m", self_signing_key: "s", user_signing_key: "u" } };
const DEADLINE = 60_000;

/** A homeserver and its OAuth, as far as a sign-in asks them. */
async function homeserver(worker) {
    let granted = false;
    const seen = { delegated: 0 };
    const server = createServer((request, response) => {
        const { pathname } = new URL(request.url, "http://stub");
        const json = (status, body) => {
            response.writeHead(status, { "content-type": "application/json" });
            response.end(JSON.stringify(body));
        };
        request.resume();
        switch (`${request.method} ${pathname}`) {
            case "GET /_matrix/client/versions":
                return json(200, { versions: ["v1.15"], unstable_features: { "org.matrix.msc4108": true } });
            case `POST ${RENDEZVOUS}`:
                seen.delegated += 1;
                response.writeHead(307, { location: `${worker}${RENDEZVOUS}` });
                return response.end();
            case "GET /_matrix/client/v1/auth_metadata":
                return json(200, metadata);
            case `GET /_matrix/client/v3/devices/${NEW_DEVICE}`:
                return granted ? json(200, { device_id: NEW_DEVICE }) : json(404, { errcode: "M_NOT_FOUND", error: "none" });
            case "POST /device":
                return json(200, {
                    device_code: "d", user_code: "U", verification_uri: `${base}/verify`,
                    verification_uri_complete: `${base}/verify?U`, expires_in: 300, interval: 1,
                });
            case "POST /token":
                granted = true;
                return json(200, { access_token: "a", token_type: "Bearer" });
            default:
                return json(404, { errcode: "M_UNRECOGNIZED", error: `${request.method} ${pathname}` });
        }
    });
    await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
    const base = `http://127.0.0.1:${server.address().port}`;
    const metadata = {
        issuer: `${base}/`, authorization_endpoint: `${base}/authorize`, token_endpoint: `${base}/token`,
        registration_endpoint: `${base}/register`, revocation_endpoint: `${base}/revoke`,
        device_authorization_endpoint: `${base}/device`,
        response_types_supported: ["code"], response_modes_supported: ["query", "fragment"],
        grant_types_supported: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        code_challenge_methods_supported: ["S256"],
    };
    return { server, base, metadata, seen };
}

/** What goes to the one worker goes to the other: each device has its own. */
const via = (worker) => (url, options) => {
    const at = new URL(url);
    const isSession = at.pathname.startsWith(`${RENDEZVOUS}/`);
    return fetch(isSession ? `${worker}${at.pathname}` : url, options);
};

async function signIn(existingShows) {
    const { server, base, metadata, seen } = await homeserver(EXISTING);
    const failures = [];
    const failed = (reason) => failures.push(reason);
    const client = createClient({ baseUrl: base, userId: "@a:stub", accessToken: "t", deviceId: "OLD", logger: quiet });
    // The bundle itself is the homeserver's and the crypto store's affair; that it arrives is ours.
    client.getCrypto = () => ({ exportSecretsBundle: async () => SECRETS });
    const existingSession = (options) => new MSC4108RendezvousSession({ onFailure: failed, fetchFn: via(EXISTING), ...options });
    const newSession = (options) => new MSC4108RendezvousSession({ onFailure: failed, fetchFn: via(NEW), ...options });

    // The device that shows the code opens the session, the other one scans it.
    const shown = existingShows
        ? existingSession({ client })
        : newSession({ fallbackRzServer: `${NEW}${RENDEZVOUS}` });
    await shown.send("");
    assert.equal(seen.delegated, existingShows ? 1 : 0);
    const shownChannel = new MSC4108SecureChannel(shown, undefined, failed);
    const shower = new MSC4108SignInWithQR(shownChannel, false, existingShows ? client : undefined, failed);
    await shower.generateCode();
    const code = QrCodeData.fromBytes(shower.code);
    assert.equal(code.mode, existingShows ? QrCodeIntent.Reciprocate : QrCodeIntent.Login);
    const scanned = (existingShows ? newSession : existingSession)({ url: code.rendezvousUrl });
    const scannedChannel = new MSC4108SecureChannel(scanned, code.publicKey, failed);
    const scanner = new MSC4108SignInWithQR(scannedChannel, true, existingShows ? undefined : client, failed);
    const [existing, fresh] = existingShows ? [shower, scanner] : [scanner, shower];

    const [, negotiated] = await Promise.all([existing.negotiateProtocols(), fresh.negotiateProtocols()]);
    assert.match(shower.checkCode, /^\d\d$/);
    assert.equal(shower.checkCode, scanner.checkCode);
    if (!existingShows) assert.equal(negotiated.serverName, "stub");
    await Promise.all([
        existing.deviceAuthorizationGrant().then(() => existing.shareSecrets()),
        fresh.deviceAuthorizationGrant({ metadata, clientId: "c", deviceId: NEW_DEVICE })
            .then(() => fresh.completeLoginOnNewDevice({ clientId: "c" }))
            .then(({ access_token }) => assert.equal(access_token, "a"))
            .then(() => fresh.shareSecrets())
            .then(({ secrets }) => {
                const { type, ...bundle } = secrets;
                assert.equal(type, "m.login.secrets");
                assert.deepEqual(bundle, SECRETS);
            }),
    ]);
    assert.deepEqual(failures, []);
    await shower.close();
    const gone = await fetch(code.rendezvousUrl);
    assert.equal(gone.status, 404, "closed, and so gone");
    client.stopClient();
    server.close();
    server.closeAllConnections();
}

const quiet = Object.assign(Object.create(logger), { trace() {}, debug() {}, info() {}, warn() {}, error: console.error, getChild() { return quiet; } });
for (const level of ["trace", "debug", "info", "warn"]) logger[level] = () => {};
setTimeout(() => { console.error("no sign-in within a minute"); process.exit(1); }, DEADLINE).unref();
await initAsync();
if (PAIRS === undefined) {
    for (const [existingShows, what] of [[true, "the existing device shows the code"], [false, "the new device shows the code"]]) {
        await signIn(existingShows);
        console.log(`signed in: ${what}`);
    }
} else {
    const begin = (after) => new Promise((begun) => setTimeout(begun, after));
    const pairs = Array.from({ length: Number(PAIRS) }, async (_, number) => {
        await begin((number * Number(SECONDS) * 1000) / Number(PAIRS));
        await signIn(number % 2 === 0);
    });
    const ended = await Promise.allSettled(pairs);
    const failed = ended.filter(({ status }) => status === "rejected");
    for (const { reason } of failed) console.error(reason);
    console.log(`signed in: ${ended.length - failed.length} of ${ended.length} pairs`);
    process.exitCode = failed.length === 0 ? 0 : 1;
}
