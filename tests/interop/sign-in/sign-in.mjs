// Two devices sign in by QR code, in both directions.
//
//   node sign-in.mjs [--homeserver URL] EXISTING NEW SHOWING_SERVER SCANNING_SERVER [PAIRS SECONDS]
//
// EXISTING and NEW are js-sdk or rust-sdk: the released client that the device runs. The device that shows the code creates
// the session through the homeserver, which redirects it to its server. The device that scans the code uses the other
// server. The homeserver is a stub, or a running one that delegates; OAuth is always a stub. With PAIRS, that many pairs
// sign in, alternating between both directions, with their starts spread evenly over SECONDS.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { QrCodeData, initAsync } from "@matrix-org/matrix-sdk-crypto-wasm";
import { agree, existingDevice, publishedMasterKey, running, stubbed } from "./homeserver.mjs";
import { jsSdk } from "./js-sdk.mjs";
import { rustSdk } from "./rust-sdk.mjs";

const CLIENTS = { "js-sdk": jsSdk, "rust-sdk": rustSdk };
const { values, positionals } = parseArgs({ options: { homeserver: { type: "string" } }, allowPositionals: true });
const [EXISTING, NEW, SHOWS_AT, SCANS_AT, PAIRS, SECONDS] = positionals;
/** Time for the sign-ins that start last, in milliseconds. */
const DEADLINE = 60_000;

async function signIn(existingShows) {
    const homeserver = await (values.homeserver ? running(values.homeserver) : stubbed(SHOWS_AT));
    const existing = await existingDevice(homeserver, randomUUID(), randomUUID());
    const person = carrier(existing.accessToken);
    const [, held] = await Promise.all([
        CLIENTS[EXISTING]({ existing, shows: existingShows, homeserver, person }),
        CLIENTS[NEW]({ shows: !existingShows, homeserver, person }),
    ]);
    assert.match(held, /^[\w+/]{43}$/);
    assert.equal(held, await publishedMasterKey(homeserver.base, existing), "the secrets of the existing device arrived");
    homeserver.close();
}

/** The person with both devices: carries what one shows to the other, and approves the new device. */
function carrier(token) {
    const code = Promise.withResolvers();
    const check = Promise.withResolvers();
    return {
        show: (bytes) => code.resolve(atTheOtherServer(bytes)),
        scan: () => code.promise,
        showCheckCode: check.resolve,
        enteredCheckCode: () => check.promise,
        agree: (verificationUri) => agree(verificationUri, token),
    };
}

/** The scanned code, changed so that this device uses the other server, as behind a load balancer. */
function atTheOtherServer(bytes) {
    const code = QrCodeData.fromBytes(bytes);
    const { origin, pathname } = new URL(code.rendezvousUrl);
    assert.equal(origin, SHOWS_AT, "the session's URL has the origin of its server");
    return new QrCodeData(code.publicKey, `${SCANS_AT}${pathname}`, code.serverName).toBytes();
}

const seconds = DEADLINE / 1000 + Number(SECONDS ?? 0);
setTimeout(() => { console.error(`not done within ${seconds} s`); process.exit(1); }, seconds * 1000).unref();
process.on("SIGTERM", () => process.exit(1));
await initAsync();
if (PAIRS === undefined) {
    for (const [existingShows, what] of [[true, "the existing device shows the code"], [false, "the new device shows the code"]]) {
        await signIn(existingShows);
        console.log(`signed in: ${EXISTING} admits ${NEW}, ${what}`);
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
    if (failed.length > 0) process.exit(1);
}
// A client that did not close its session keeps a timer until the session expires.
process.exit(0);
