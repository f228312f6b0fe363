// Signs in by QR code, again and again, with k6 (https://grafana.com/docs/k6): for a load test of a deployment, or as a probe.
// One virtual user is both devices of a sign-in. MSC4108 of 2024 (ETag), or MSC4388 (JSON).
//
//   BASE_URL=https://matrix.example.org k6 run deploy/k6/sign-in.js
//
//   BASE_URL   where clients reach the server (required)
//   TOKEN      an access token for creations in the JSON dialect; required with mode = "authenticated"
//   DIALECTS   etag (the default), json or etag,json; json needs a mode other than "off"
//   DURATION   how long sign-ins begin (30s)
//   VUS        how many run at a time (1)
//
// All sign-ins come from one address: the server limits its creations, 20 at once and then one in two seconds by default.
// docs/performance.md says which keys to raise. There are no pauses, so a virtual user is as much load as some hundred persons.
import { check, fail, sleep } from "k6";
import http from "k6/http";
import { Counter } from "k6/metrics";

const UNSTABLE = "/_matrix/client/unstable";
// A sign-in has about eight messages, of about 800 bytes.
const MESSAGES = 8;
const PAYLOAD = "x".repeat(800);

const { BASE_URL, TOKEN, DIALECTS = "etag", DURATION = "30s", VUS = "1" } = __ENV;
if (!BASE_URL) throw new Error("set BASE_URL, such as BASE_URL=https://matrix.example.org");
const base = BASE_URL.replace(/\/+$/, "");

export const options = {
    vus: Number(VUS),
    duration: DURATION,
    thresholds: { checks: ["rate==1"], sign_ins: ["count>0"] },
};

const signIns = new Counter("sign_ins");

/** Sends a request, and ends the iteration if the status is another one. */
function send(step, method, url, body, headers, status) {
    const reply = http.request(method, url, body, { headers, timeout: "30s", tags: { name: step } });
    if (!check(reply, { [step]: ({ status: found }) => found === status })) {
        // Otherwise a limit or an outage would turn this script into a flood.
        sleep(Number(reply.headers["Retry-After"]) || 1);
        fail(`${step}: expected ${status}, found ${reply.status} ${reply.error || reply.body}`);
    }
    return reply;
}

/** Reads what the other device wrote, and ends the iteration if it is something else. */
function expectMessage(step, found, expected) {
    if (!check(found, { [`${step}, the message`]: (text) => text === expected })) fail(`${step}: another message`);
}

// k6 spells the names of header fields as Go does.
const etagOf = (reply) => reply.headers.Etag;

/** A sign-in in the ETag dialect: each device polls with the ETag that it last saw, and writes over it. */
function signInByEtag() {
    const text = { "Content-Type": "text/plain" };
    const created = send("ETag: create", "POST", `${base}${UNSTABLE}/org.matrix.msc4108/rendezvous`, PAYLOAD, text, 201);
    const session = String(created.json("url"));
    const seen = [etagOf(created), ""];
    // A poll that finds nothing new, before the other device has scanned the code. The server holds it for up to
    // msc4108.long_poll.timeout. The other reads find a message, as one virtual user is both devices.
    send("ETag: poll", "GET", session, null, { "If-None-Match": seen[0] }, 304);
    for (let message = 0; message < MESSAGES; message++) {
        const writer = message % 2 ? 0 : 1;
        // The device that did not write last reads the other's message.
        const headers = seen[writer] ? { "If-None-Match": seen[writer] } : {};
        const read = send("ETag: read", "GET", session, null, headers, 200);
        expectMessage("ETag: read", read.body, message ? `${message - 1} ${PAYLOAD}` : PAYLOAD);
        const body = `${message} ${PAYLOAD}`;
        const write = { ...text, "If-Match": etagOf(read) };
        seen[writer] = etagOf(send("ETag: write", "PUT", session, body, write, 202));
    }
    send("ETag: delete", "DELETE", session, null, {}, 204);
}

/** A sign-in in the JSON dialect. */
function signInByJson() {
    const api = `${base}${UNSTABLE}/io.element.msc4388/rendezvous`;
    const json = { "Content-Type": "application/json" };
    const authorization = TOKEN ? { Authorization: `Bearer ${TOKEN}` } : {};
    const body = JSON.stringify({ data: PAYLOAD });
    const created = send("JSON: create", "POST", api, body, { ...json, ...authorization }, 200);
    const session = `${api}/${created.json("id")}`;
    for (let message = 0; message < MESSAGES; message++) {
        const read = send("JSON: read", "GET", session, null, {}, 200);
        expectMessage("JSON: read", read.json("data"), message ? `${message - 1} ${PAYLOAD}` : PAYLOAD);
        const write = { sequence_token: read.json("sequence_token"), data: `${message} ${PAYLOAD}` };
        send("JSON: write", "PUT", session, JSON.stringify(write), json, 200);
    }
    send("JSON: delete", "DELETE", session, null, {}, 200);
}

const SIGN_INS = { etag: signInByEtag, json: signInByJson };
const dialects = DIALECTS.split(",").map((name) => name.trim());
if (!dialects.every((name) => name in SIGN_INS)) throw new Error(`DIALECTS: expected etag, json or etag,json, found ${DIALECTS}`);

export default function () {
    for (const dialect of dialects) {
        SIGN_INS[dialect]();
        signIns.add(1, { dialect });
    }
}
