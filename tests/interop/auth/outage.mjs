// A Synapse that goes away and comes back, as a worker's clients see it.
//
//   node outage.mjs before|while|after SYNAPSE SECRET WORKER FILE
//
// FILE is what the three keep for each other.

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
        await unsure(WORKER, unasked, "a user whom nobody knows");
        await goesOn(session, undefined, "a client");
        await accepted(WORKER, known, "a user who was known a moment ago");
        // So many that the worker stops asking for a while; what a client sees is the same.
        for (let n = 0; n < 4; n++) await unsure(WORKER, unasked, "a user whom nobody is asked about");
        await accepted(WORKER, known, "a user who was known, still");
    } else {
        await eventually(() => accepted(WORKER, unasked, "a user"));
        await accepted(WORKER, unasked2, "another session of theirs");
    }
}
