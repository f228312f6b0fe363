// Two devices sign in by QR code, in both directions.
//
//   node sign-in.mjs [--homeserver URL] [--deadline SECONDS] EXISTING NEW SHOWING_SERVER SCANNING_SERVER [PAIRS SECONDS]
//
// EXISTING and NEW are js-sdk or rust-sdk: the released client that the device runs. The device that shows the code creates
// the session through the homeserver, which redirects it to its server. The device that scans the code uses the other
// server. The homeserver is a stub, or a running one that delegates; OAuth is always a stub. With PAIRS, that many pairs
// sign in, alternating between both directions, with their starts spread evenly over SECONDS.
// The sign-ins that start last have 60 s, or the SECONDS of --deadline.

import { parseArgs } from "node:util";
import { initAsync } from "@matrix-org/matrix-sdk-crypto-wasm";
import { signIn as signInPair } from "./pair.mjs";

const options = { homeserver: { type: "string" }, deadline: { type: "string", default: "60" } };
const { values, positionals } = parseArgs({ options, allowPositionals: true });
const [EXISTING, NEW, SHOWS_AT, SCANS_AT, PAIRS, SECONDS] = positionals;

const signIn = (existingShows) => signInPair({
    clients: [EXISTING, NEW], existingShows, servers: [SHOWS_AT, SCANS_AT], homeserver: values.homeserver,
});

const seconds = Number(values.deadline) + Number(SECONDS ?? 0);
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
