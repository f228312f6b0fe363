// Runs in a tab: one device's side of the released matrix-js-sdk's rendezvous. js-sdk.mjs bundles it.

import { createClient } from "matrix-js-sdk";
import { MSC4108RendezvousSession, MSC4108SecureChannel } from "matrix-js-sdk/lib/rendezvous/index.js";
import { initAsync, QrCodeData, QrCodeIntent } from "@matrix-org/matrix-sdk-crypto-wasm";

globalThis.failures = [];
const onFailure = (reason) => failures.push(reason);

/** Creates a session through the homeserver's delegation, and returns the bytes of the QR code. */
globalThis.show = async (homeserver) => {
    await initAsync();
    const client = createClient({ baseUrl: homeserver, userId: "@a:stub", accessToken: "t", deviceId: "OLD" });
    const session = new MSC4108RendezvousSession({ client, onFailure });
    await session.send("");
    globalThis.channel = new MSC4108SecureChannel(session, undefined, onFailure);
    return [...await channel.generateCode(QrCodeIntent.Reciprocate, "stub")];
};

/** Reads those bytes, and uses this device's own worker from then on. */
globalThis.scan = async (bytes, worker) => {
    await initAsync();
    const { rendezvousUrl, publicKey } = QrCodeData.fromBytes(Uint8Array.from(bytes));
    const url = worker + new URL(rendezvousUrl).pathname;
    globalThis.channel = new MSC4108SecureChannel(new MSC4108RendezvousSession({ url, onFailure }), publicKey, onFailure);
    return url;
};
