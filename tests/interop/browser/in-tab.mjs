// What runs in a tab: one device's half of the released matrix-js-sdk's rendezvous. Bundled by js-sdk.mjs.

import { createClient } from "matrix-js-sdk";
import { MSC4108RendezvousSession, MSC4108SecureChannel } from "matrix-js-sdk/lib/rendezvous/index.js";
import { initAsync, QrCodeData, QrCodeIntent } from "@matrix-org/matrix-sdk-crypto-wasm";

globalThis.failures = [];
const onFailure = (reason) => failures.push(reason);

/** Opens a session as the homeserver says, and returns the QR code's bytes. */
globalThis.show = async (homeserver) => {
    await initAsync();
    const client = createClient({ baseUrl: homeserver, userId: "@a:stub", accessToken: "t", deviceId: "OLD" });
    const session = new MSC4108RendezvousSession({ client, onFailure });
    await session.send("");
    globalThis.channel = new MSC4108SecureChannel(session, undefined, onFailure);
    return [...await channel.generateCode(QrCodeIntent.Reciprocate, "stub")];
};

/** Takes those bytes, and from then on asks this device's own worker. */
globalThis.scan = async (bytes, worker) => {
    await initAsync();
    const { rendezvousUrl, publicKey } = QrCodeData.fromBytes(Uint8Array.from(bytes));
    const url = worker + new URL(rendezvousUrl).pathname;
    globalThis.channel = new MSC4108SecureChannel(new MSC4108RendezvousSession({ url, onFailure }), publicKey, onFailure);
    return url;
};
