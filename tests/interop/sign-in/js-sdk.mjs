// One device of a sign-in by QR code, with the released matrix-js-sdk.

import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, randomUUID } from "node:crypto";
import { createClient } from "matrix-js-sdk";
import {
    MSC4108FailureReason, MSC4108RendezvousSession, MSC4108SecureChannel, MSC4108SignInWithQR,
} from "matrix-js-sdk/lib/rendezvous/index.js";
import { logger } from "matrix-js-sdk/lib/logger.js";
import { QrCodeData } from "@matrix-org/matrix-sdk-crypto-wasm";
import { RENDEZVOUS, whoami } from "./homeserver.mjs";

const quiet = Object.assign(Object.create(logger), { trace() {}, debug() {}, info() {}, warn() {}, error: console.error, getChild() { return quiet; } });
for (const level of ["trace", "debug", "info", "warn"]) logger[level] = () => {};

/**
 * Signs in, or lets sign in if it is an `existing` device, and returns the public half of the master key whose
 * private half the device then holds. `person` carries what is seen on the one device to the other. `device` gets a function
 * `cancel`: the user cancels.
 */
export async function jsSdk({ existing, shows, homeserver, person, device: control }) {
    const failures = [];
    const failed = (reason) => failures.push(reason);
    const client = existing && await signedIn(homeserver, existing);
    const [rendezvous, publicKey] = await session();
    const channel = new MSC4108SecureChannel(rendezvous, publicKey, failed);
    const signIn = new MSC4108SignInWithQR(channel, !shows, client, failed);
    control.cancel = () => signIn.cancel(MSC4108FailureReason.UserCancelled);
    if (shows) {
        await signIn.generateCode();
        person.show(signIn.code);
    }
    await signIn.negotiateProtocols();
    assert.match(signIn.checkCode, /^\d\d$/);
    if (shows) assert.equal(signIn.checkCode, await person.enteredCheckCode());
    else person.showCheckCode(signIn.checkCode);
    const secrets = client ? await letIn() : await comeIn();
    assert.deepEqual(failures, []);
    return publicHalf(secrets.cross_signing.master_key);

    /** The device that shows the code creates the session; the other device scans the code. */
    async function session() {
        const options = { onFailure: failed, fetchFn: fetch, client };
        if (!shows) {
            const code = QrCodeData.fromBytes(await person.scan());
            return [new MSC4108RendezvousSession({ ...options, url: code.rendezvousUrl }), code.publicKey];
        }
        const opened = new MSC4108RendezvousSession({ ...options, fallbackRzServer: `${homeserver.base}${RENDEZVOUS}` });
        await opened.send("");
        return [opened];
    }

    async function letIn() {
        const { verificationUri } = await signIn.deviceAuthorizationGrant();
        person.agree(verificationUri);
        const { secrets } = await signIn.shareSecrets();
        client.getCrypto().stop();
        return secrets;
    }

    async function comeIn() {
        const device = randomUUID();
        await signIn.deviceAuthorizationGrant({ metadata: homeserver.metadata, clientId: "c", deviceId: device });
        const { access_token } = await signIn.completeLoginOnNewDevice({ clientId: "c" });
        assert.equal((await whoami(homeserver.base, access_token)).device_id, device);
        const { secrets } = await signIn.shareSecrets();
        // The new device closes the session, because the other one does not know when everything has been read.
        await signIn.close();
        assert.equal((await fetch(rendezvous.url)).status, 404, "closed, and so gone");
        return secrets;
    }
}

/** The existing device's client, with the cross-signing keys that it shares. */
async function signedIn({ base }, existing) {
    const client = createClient({ baseUrl: base, ...existing, logger: quiet });
    // The released SDKs differ here: this one sends the server's name, and matrix-sdk expects a URL.
    client.getDomain = () => base;
    await client.initRustCrypto({ useIndexedDB: false });
    await client.getCrypto().bootstrapCrossSigning({ authUploadDeviceSigningKeys: (request) => request(null) });
    return client;
}

/** Matches an Ed25519 key in unpadded base64, as Matrix encodes it. */
function publicHalf(seed) {
    const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.from(seed, "base64")]);
    const spki = createPublicKey(createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" })).export({ format: "der", type: "spki" });
    return spki.subarray(-32).toString("base64").replace(/=+$/, "");
}
