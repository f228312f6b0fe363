// Two devices sign in by QR code, in both directions.
//
//   node sign-in.mjs [--homeserver URL] EXISTING NEW SERVER_OF_WHO_SHOWS SERVER_OF_WHO_SCANS [PAIRS SECONDS]
//
// EXISTING and NEW are js-sdk or rust-sdk: which released client the device runs. The one that shows the code
// opens the session by way of the homeserver, which sends it to its server; the one that scans the code reaches
// the session by its own. The homeserver is a stub, or one that runs and delegates so; OAuth is always a stub.
// With a number of pairs, so many sign in, in both directions by turns, beginning evenly over that time.

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
/** For the sign-ins that begin last. */
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

/** Who holds both devices: what is shown on one is brought to the other, and the new one is agreed to. */
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

/** The code as scanned: a load balancer takes this device to another worker. */
function atTheOtherServer(bytes) {
    const code = QrCodeData.fromBytes(bytes);
    const { origin, pathname } = new URL(code.rendezvousUrl);
    assert.equal(origin, SHOWS_AT, "the session's URL is where its server was reached");
    return new QrCodeData(code.publicKey, `${SCANS_AT}${pathname}`, code.serverName).toBytes();
}

const seconds = DEADLINE / 1000 + Number(SECONDS ?? 0);
setTimeout(() => { console.error(`not done within ${seconds} s`); process.exit(1); }, seconds * 1000).unref();
process.on("SIGTERM", () => process.exit(1));
await initAsync();
if (PAIRS === undefined) {
    for (const [existingShows, what] of [[true, "the existing device shows the code"], [false, "the new device shows the code"]]) {
        await signIn(existingShows);
        console.log(`signed in: ${EXISTING} lets ${NEW} in, ${what}`);
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
// A client that did not close its session itself still has a timer until the session would expire.
process.exit(0);
