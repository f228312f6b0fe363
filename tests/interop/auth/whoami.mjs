// Everyone that a Synapse knows, and whom it does not know any more, at workers that ask it.
//
//   node whoami.mjs SYNAPSE SECRET APPSERVICE WORKER LATER OPEN
//
// WORKER and LATER are authenticated, OPEN is open. LATER hears of a token only after its end, and so has no
// earlier answer to remember.

import assert from "node:assert/strict";
import { accepted, ask, eventually, forbidden, goesOn, refused, unsure } from "./checks.mjs";
import { Synapse } from "./users.mjs";

const [URL, SECRET, APPSERVICE, WORKER, LATER, OPEN] = process.argv.slice(2);
const synapse = new Synapse(URL, SECRET);

const admin = await synapse.register("admin", true);
await synapse.register("alice");
const alice = await synapse.logIn("alice");
const leaver = await synapse.register("leaver");
const locked = await synapse.register("locked");
const guest = await synapse.guest();
const short = await synapse.logIn("alice", { refresh_token: true });

// Who may, and who may not.
await forbidden(WORKER, undefined, "nobody");
const session = await accepted(WORKER, alice.access_token, "a user");
await refused(WORKER, "syt_nobody_x", "a token that is nobody's");
await forbidden(WORKER, guest.access_token, "a guest");
await accepted(WORKER, APPSERVICE, "an application service");
await accepted(WORKER, alice.access_token, "a user, once more");

// To some tokens that are nobody's Synapse 1.163 answers with a 500 (it takes them for broken macaroons). Anyone
// can make them up, and they must not keep the worker from asking about others.
for (const token of ["MDA", "MDAw", "MDAx", "MDAy", "=", "=="]) await unsure(WORKER, token, `the token ${token}`);
await accepted(WORKER, (await synapse.logIn("alice")).access_token, "a user after that");

// A session asks for no token, and looks at none.
let current = session;
for (const authorization of [undefined, "Bearer syt_nobody_x", "Basic YTpi", "nonsense"]) {
    current = await goesOn(current, authorization, `a request with ${authorization}`);
}
const deleted = await ask(current.url, "DELETE", { authorization: "Bearer syt_nobody_x" });
assert.deepEqual([deleted.status, deleted.body], [200, {}]);
assert.equal((await ask(current.url, "GET")).status, 404);

// Tokens that were good. That they were is what WORKER says first, not LATER, which would remember it.
const second = await synapse.logIn("alice");
await accepted(WORKER, second.access_token, "a second session");
await synapse.logOut(second.access_token);
await refused(LATER, second.access_token, "who logged out");
await accepted(LATER, alice.access_token, "their other session");

await accepted(WORKER, leaver.access_token, "who will leave");
await synapse.deactivate("leaver", leaver.access_token);
await refused(LATER, leaver.access_token, "who left");

await accepted(WORKER, locked.access_token, "who will be locked");
await synapse.lock(locked.user_id, admin.access_token);
await refused(LATER, locked.access_token, "who is locked", true, "M_USER_LOCKED");

// One with a refresh token beside it ends by itself, and its client shall get the next one, not sign out.
await eventually(() => synapse.whoAmI(short.access_token, 401));
await refused(LATER, short.access_token, "who must refresh", true);

// In mode open nobody needs a token, and a bad one is still not taken for none.
await accepted(OPEN, undefined, "nobody, where anyone may");
await accepted(OPEN, alice.access_token, "a user, where anyone may");
await refused(OPEN, "syt_nobody_x", "a token that is nobody's, where anyone may");
await refused(OPEN, locked.access_token, "who is locked, where anyone may", true, "M_USER_LOCKED");
await forbidden(OPEN, guest.access_token, "a guest, where anyone may");
