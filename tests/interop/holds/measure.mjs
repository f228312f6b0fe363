// Signs in by QR code through a relay, in both directions for each pair of clients, all at the same time. Prints what a
// sign-in took. Fails if one was lost, unless what is done to it may lose it.
//
//   node measure.mjs [--latency MS] [--pause SECONDS] [--awaited ACTION] [--held ACTION] [--rounds N] WORKERS EXISTING/NEW...
//
// WORKERS are URLs, separated by commas. EXISTING and NEW are js-sdk or rust-sdk. --pause is what a person takes to scan the
// code, and to approve. --awaited ACTION is done to each sign-in while a person is awaited, after the read in flight has ended:
//
//   reset    resets its connections
//   freeze   stops both devices for 40 s (only rust-sdk: each is a process)
//
// --held ACTION is done to each sign-in once, while a read of it is held:
//
//   reset    resets the connection of that read; the sign-in may be lost
//   freeze   stops both devices for 40 s; it may be lost
//   cancel   the user of a js-sdk cancels, or both rust-sdks are killed; neither device signs in, and both must end
//   stall    only once: Redis (--redis URL) answers nothing for 3 s
//   stop     only once: that read's worker gets a SIGTERM, and no further requests; --pids are the workers' PIDs

import { execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { initAsync } from "@matrix-org/matrix-sdk-crypto-wasm";
import { signIn } from "../sign-in/pair.mjs";
import { relay } from "./relay.mjs";

const string = (value) => ({ type: "string", default: value });
const { values, positionals: [list, ...pairs] } = parseArgs({
    options: {
        latency: string("0"), pause: string("0"), awaited: string(), held: string(), redis: string(), pids: string(),
        rounds: string("1"),
    },
    allowPositionals: true,
});
const workers = list.split(",");
const [pause, rounds] = [Number(values.pause) * 1000, Number(values.rounds)];
/** No read that is not held takes this long. In milliseconds. */
const PATIENCE = 1000;
/** A stopped device. matrix-sdk gives up after 30 s. In milliseconds. */
const FROZEN = 40_000;
/** Time for a sign-in, in milliseconds. A client of which a read was reset may wait for ever. */
const DEADLINE = 45_000 + 2 * (pause + ([values.awaited, values.held].includes("freeze") ? FROZEN : 0));
/** Whether sign-ins may be lost, or are to end. */
const [MAY_LOSE, CANCELS] = [["reset", "freeze"].includes(values.held), values.held === "cancel"];

const WHILE_AWAITED = {
    async reset({ between }) {
        between.reset();
        await delay(PATIENCE * 2); // for a poll on a new connection
    },
    freeze,
};
const WHILE_HELD = {
    reset: ({ reset }) => reset(),
    freeze,
    cancel({ devices, number }) {
        const users = devices.filter(({ cancel }) => cancel);
        // Both directions for each user.
        if (users.length > 0) users[(number >> 1) % users.length].cancel();
        else for (const { signal } of devices) signal("SIGKILL");
    },
    stall() {
        execFile("redis-cli", ["-u", values.redis, "CLIENT", "PAUSE", "3000", "ALL"], (error) => { if (error) throw error; });
    },
    stop({ worker }) {
        const index = workers.indexOf(worker);
        workers.splice(index, 1);
        const pid = Number(values.pids.split(",")[index]);
        process.kill(pid, "SIGTERM");
        console.log(`  stopped while it held a read: the worker with PID ${pid}`);
    },
};

async function freeze({ devices }) {
    for (const { signal } of devices) signal("SIGSTOP");
    await delay(FROZEN);
    for (const { signal } of devices) signal("SIGCONT");
}

/** Waits until both devices have ended, and fails if one has signed in. */
async function bothEnd(devices) {
    const ended = await Promise.allSettled(devices.map(({ ended }) => ended));
    if (ended.some(({ status }) => status === "fulfilled")) throw new Error("one device signed in");
}

/** How often an action was done. */
let done = 0;
async function measure(clients, number) {
    let [paused, wasHeld, devices] = [0, false, []];
    const onHeld = (worker, reset) => {
        if (!values.held || wasHeld || (["stall", "stop"].includes(values.held) && done > 0)) return;
        wasHeld = true;
        done += 1;
        WHILE_HELD[values.held]({ worker, reset, devices, number });
    };
    const between = await relay({ workers, latency: Number(values.latency), onHeld });
    const person = async () => {
        const begun = performance.now();
        await delay(pause);
        if (values.awaited) {
            done += 1;
            await between.quiet(PATIENCE);
            await WHILE_AWAITED[values.awaited]({ between, devices });
        }
        paused += performance.now() - begun;
    };
    const late = new AbortController();
    const lateness = delay(DEADLINE, undefined, late).then(() => { throw new Error("not in time"); });
    const servers = [between.url, between.url];
    const signedIn = signIn({ clients, existingShows: number % 2 === 0, servers, pause: person, devices });
    const ended = CANCELS ? signedIn.then(
        () => { throw new Error("signed in"); },
        (error) => {
            if (!wasHeld) throw error;
            return bothEnd(devices);
        },
    ) : signedIn;
    try {
        await Promise.race([ended, lateness]);
    } finally {
        late.abort();
        between.close();
    }
    const { seconds, ...figures } = between.figures();
    return { seconds: seconds - paused / 1000, ...figures };
}

// The devices of a lost sign-in fail one after the other.
if (MAY_LOSE || CANCELS) process.on("unhandledRejection", () => {});
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(1));
await initAsync();
const mean = (numbers) => (numbers.reduce((sum, number) => sum + number, 0) / numbers.length).toFixed(1);
let lost = 0;
await Promise.all(pairs.map(async (pair) => {
    const directions = Array.from({ length: 2 * rounds }, (_, number) => measure(pair.split("/"), number));
    const ended = await Promise.allSettled(directions);
    const figures = ended.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
    const errors = ended.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
    if (!MAY_LOSE) for (const error of errors) console.error(error);
    lost += errors.length;
    const of = (name) => mean(figures.map((figure) => figure[name]));
    const means = figures.length === 0 ? "" :
        `: ${of("seconds")} s, ${of("requests")} requests, ${of("exposed")} s with a read in flight`;
    const outcome = `${figures.length} of ${ended.length} ${CANCELS ? "ended" : "signed in"}`;
    console.log(`  ${pair.replace("/", " admits ")}, ${outcome}${means}`);
}));
const action = values.awaited ?? values.held;
if (action) console.log(`  ${action}, ${done} times; ${CANCELS ? "did not end" : "sign-ins lost"}: ${lost}`);
if (action && done === 0) throw new Error("nothing was done");
// A client that did not close its session keeps a timer until the session expires.
process.exit(lost > 0 && !MAY_LOSE ? 1 : 0);
