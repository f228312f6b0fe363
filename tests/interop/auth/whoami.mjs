// All kinds of Synapse users and tokens, valid and ended, at workers that verify them with this Synapse.
//
//   node whoami.mjs SYNAPSE SECRET APPSERVICE WORKER LATER OPEN
//
// WORKER and LATER run in mode authenticated, OPEN in mode open. LATER sees a token only after its end, so its cache has no
// earlier result.

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

// Who may create sessions, and who may not.
await forbidden(WORKER, undefined, "no token");
const session = await accepted(WORKER, alice.access_token, "a user");
await refused(WORKER, "syt_nobody_x", "an unknown token");
await forbidden(WORKER, guest.access_token, "a guest");
await accepted(WORKER, APPSERVICE, "an application service");
await accepted(WORKER, alice.access_token, "a user, again");

// Synapse 1.163 answers 500 to some unknown tokens (it takes them for broken macaroons). Any client can make them up, and
// they must not stop the worker from verifying other tokens.
for (const token of ["MDA", "MDAw", "MDAx", "MDAy", "=", "=="]) await unsure(WORKER, token, `the token ${token}`);
await accepted(WORKER, (await synapse.logIn("alice")).access_token, "a user after that");

// Requests on a session need no token, and ignore any.
let current = session;
for (const authorization of [undefined, "Bearer syt_nobody_x", "Basic YTpi", "nonsense"]) {
    current = await goesOn(current, authorization, `a request with ${authorization}`);
}
const deleted = await ask(current.url, "DELETE", { authorization: "Bearer syt_nobody_x" });
assert.deepEqual([deleted.status, deleted.body], [200, {}]);
assert.equal((await ask(current.url, "GET")).status, 404);

// Tokens that were valid before. WORKER confirms that first; LATER would cache it.
const second = await synapse.logIn("alice");
await accepted(WORKER, second.access_token, "a second session");
await synapse.logOut(second.access_token);
await refused(LATER, second.access_token, "a logged-out token");
await accepted(LATER, alice.access_token, "another token of the same user");

await accepted(WORKER, leaver.access_token, "a user before deactivation");
await synapse.deactivate("leaver", leaver.access_token);
await refused(LATER, leaver.access_token, "a deactivated user");

await accepted(WORKER, locked.access_token, "a user before the lock");
await synapse.lock(locked.user_id, admin.access_token);
await refused(LATER, locked.access_token, "a locked user", true, "M_USER_LOCKED");

// A token with a refresh token expires by itself. Its client must refresh it, and not sign out.
await eventually(() => synapse.whoAmI(short.access_token, 401));
await refused(LATER, short.access_token, "an expired token with a refresh token", true);

// In mode open no token is needed, but a bad token is still rejected.
await accepted(OPEN, undefined, "no token, in mode open");
await accepted(OPEN, alice.access_token, "a user, in mode open");
await refused(OPEN, "syt_nobody_x", "an unknown token, in mode open");
await refused(OPEN, locked.access_token, "a locked user, in mode open", true, "M_USER_LOCKED");
await forbidden(OPEN, guest.access_token, "a guest, in mode open");
