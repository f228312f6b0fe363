// An outage of a Synapse, as a worker's clients see it.
//
//   node outage.mjs before|while|after SYNAPSE SECRET WORKER FILE
//
// FILE passes state between the three phases.

import { readFile, writeFile } from "node:fs/promises";
import { accepted, eventually, goesOn, unsure } from "./checks.mjs";
import { Synapse } from "./users.mjs";

const [WHEN, URL, SECRET, WORKER, FILE] = process.argv.slice(2);
const synapse = new Synapse(URL, SECRET);
const tokenOf = async (session) => (await session).access_token;

if (WHEN === "before") {
    const known = await tokenOf(synapse.register("bob"));
    const [unasked, unasked2] = [await tokenOf(synapse.logIn("bob")), await tokenOf(synapse.logIn("bob"))];
    const session = await accepted(WORKER, known, "a user");
    await writeFile(FILE, JSON.stringify({ known, unasked, unasked2, session }));
} else {
    const { known, unasked, unasked2, session } = JSON.parse(await readFile(FILE, "utf8"));
    if (WHEN === "while") {
        await unsure(WORKER, unasked, "an uncached user");
        await goesOn(session, undefined, "a client");
        await accepted(WORKER, known, "a cached user");
        // One client does not open the circuit breaker: each check fails by itself.
        for (let n = 0; n < 4; n++) await unsure(WORKER, unasked, "a user, again");
        await accepted(WORKER, known, "a cached user, still");
    } else {
        await eventually(() => accepted(WORKER, unasked, "a user"));
        await accepted(WORKER, unasked2, "another token of the same user");
    }
}
