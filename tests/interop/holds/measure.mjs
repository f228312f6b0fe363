// Signs in by QR code through a relay, in both directions for each pair of clients, all at the same time. Prints what a
// sign-in took. Fails if one was lost, unless its connection was reset during a held read.
//
//   node measure.mjs [--latency MS] [--pause SECONDS] [--reset awaited|held] [--stop PIDS] [--rounds N] WORKERS EXISTING/NEW...
//
// WORKERS are URLs, separated by commas. EXISTING and NEW are js-sdk or rust-sdk. --pause is what a person takes to scan the
// code, and to approve. --reset resets the connections of a sign-in: while a person is awaited, or the first that has a held
// read. --stop sends the first worker that holds a read a SIGTERM, and no further requests; PIDS are those of WORKERS.

import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { initAsync } from "@matrix-org/matrix-sdk-crypto-wasm";
import { signIn } from "../sign-in/pair.mjs";
import { relay } from "./relay.mjs";

const string = (value) => ({ type: "string", default: value });
const { values, positionals: [list, ...pairs] } = parseArgs({
    options: { latency: string("0"), pause: string("0"), reset: string(), stop: string(), rounds: string("1") },
    allowPositionals: true,
});
const workers = list.split(",");
const [pause, rounds] = [Number(values.pause) * 1000, Number(values.rounds)];
/** Time for a sign-in, in milliseconds. A client of which a read was reset may wait for ever. */
const DEADLINE = 45_000 + 2 * pause;
/** No read that is not held takes this long. In milliseconds. */
const PATIENCE = 1000;

const pids = values.stop?.split(",").map(Number);
let stopped = false;
function stop(worker) {
    if (pids === undefined || stopped) return;
    stopped = true;
    const index = workers.indexOf(worker);
    workers.splice(index, 1);
    process.kill(pids[index], "SIGTERM");
    console.log(`  stopped while it held a read: the worker with PID ${pids[index]}`);
}

let resets = 0;
async function measure(clients, existingShows) {
    let [paused, wasReset] = [0, false];
    const onHeld = (worker, reset) => {
        stop(worker);
        if (values.reset !== "held" || wasReset) return;
        wasReset = true;
        resets += 1;
        reset();
    };
    const between = await relay({ workers, latency: Number(values.latency), onHeld });
    const person = async () => {
        const begun = performance.now();
        await delay(pause);
        if (values.reset === "awaited") {
            resets += 1;
            await between.reset(PATIENCE);
            await delay(PATIENCE * 2); // for a poll on a new connection
        }
        paused += performance.now() - begun;
    };
    const late = new AbortController();
    const lateness = delay(DEADLINE, undefined, late).then(() => { throw new Error("not in time"); });
    const servers = [between.url, between.url];
    try {
        await Promise.race([signIn({ clients, existingShows, servers, pause: person }), lateness]);
    } finally {
        late.abort();
        between.close();
    }
    const { seconds, ...figures } = between.figures();
    return { seconds: seconds - paused / 1000, ...figures };
}

// The devices of a lost sign-in fail one after the other.
if (values.reset === "held") process.on("unhandledRejection", () => {});
process.on("SIGTERM", () => process.exit(1));
await initAsync();
const mean = (numbers) => (numbers.reduce((sum, number) => sum + number, 0) / numbers.length).toFixed(1);
let lost = 0;
await Promise.all(pairs.map(async (pair) => {
    const directions = Array.from({ length: 2 * rounds }, (_, number) => measure(pair.split("/"), number % 2 === 0));
    const ended = await Promise.allSettled(directions);
    const figures = ended.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
    const errors = ended.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
    if (values.reset !== "held") for (const error of errors) console.error(error);
    lost += errors.length;
    const of = (name) => mean(figures.map((figure) => figure[name]));
    const means = figures.length === 0 ? "" :
        `: ${of("seconds")} s, ${of("requests")} requests, ${of("exposed")} s with a read in flight`;
    console.log(`  ${pair.replace("/", " admits ")}, ${figures.length} of ${ended.length} signed in${means}`);
}));
if (values.reset) console.log(`  connections reset ${resets} times; sign-ins lost: ${lost}`);
if (pids && !stopped) throw new Error("no worker held a read");
if (values.reset && resets === 0) throw new Error("no connection was reset");
// A client that did not close its session keeps a timer until the session expires.
process.exit(lost > 0 && values.reset !== "held" ? 1 : 0);
