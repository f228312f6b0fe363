// Two devices that sign in by QR code.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { QrCodeData } from "@matrix-org/matrix-sdk-crypto-wasm";
import { agree, existingDevice, publishedMasterKey, running, stubbed } from "./homeserver.mjs";
import { jsSdk } from "./js-sdk.mjs";
import { rustSdk } from "./rust-sdk.mjs";

const CLIENTS = { "js-sdk": jsSdk, "rust-sdk": rustSdk };

/**
 * Signs in a new device. `clients` names the released clients of the existing and the new device, `existingShows` selects
 * the device that shows the code, and `servers` has its server and the other device's. Without the URL of a `homeserver`
 * that delegates, a stub is one. `pause` is awaited before the code is scanned, and before the user approves. `devices` gets
 * the existing and the new device: `ended`, a promise, and what a person can do to it (js-sdk.mjs, rust-sdk.mjs).
 */
export async function signIn({ clients, existingShows, servers, homeserver: url, pause = async () => {}, devices = [] }) {
    const homeserver = await (url ? running(url) : stubbed(servers[0]));
    const existing = await existingDevice(homeserver, randomUUID(), randomUUID());
    const person = carrier(existing.accessToken, servers, pause);
    const run = (client, options) => {
        const device = {};
        devices.push(device);
        return device.ended = CLIENTS[client]({ ...options, homeserver, person, device });
    };
    const [, held] = await Promise.all([
        run(clients[0], { existing, shows: existingShows }),
        run(clients[1], { shows: !existingShows }),
    ]);
    assert.match(held, /^[\w+/]{43}$/);
    assert.equal(held, await publishedMasterKey(homeserver.base, existing), "the secrets of the existing device arrived");
    homeserver.close();
}

/** The person with both devices: carries what one shows to the other, and approves the new device. */
function carrier(token, servers, pause) {
    const code = Promise.withResolvers();
    const check = Promise.withResolvers();
    return {
        show: (bytes) => code.resolve(atTheOtherServer(bytes, servers)),
        scan: async () => {
            const shown = await code.promise;
            await pause();
            return shown;
        },
        showCheckCode: check.resolve,
        enteredCheckCode: () => check.promise,
        agree: async (verificationUri) => {
            await pause();
            await agree(verificationUri, token);
        },
    };
}

/** The scanned code, changed so that this device uses the other server, as behind a load balancer. */
function atTheOtherServer(bytes, [showsAt, scansAt]) {
    const code = QrCodeData.fromBytes(bytes);
    const { origin, pathname } = new URL(code.rendezvousUrl);
    assert.equal(origin, showsAt, "the session's URL has the origin of its server");
    return new QrCodeData(code.publicKey, `${scansAt}${pathname}`, code.serverName).toBytes();
}
