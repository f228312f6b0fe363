// The OAuth stub as the matrix_authentication_service of a real Synapse.
//
//   node oauth.mjs PORT SYNAPSE SECRET
//
// It creates users and devices through Synapse's API for that service, and answers introspection requests.

import { createServer } from "node:http";
import { bearerOf, formOf, listener, oauth } from "../oauth.mjs";

const [PORT, SYNAPSE, SECRET] = process.argv.slice(2);

async function notify(what, body) {
    const reply = await fetch(`${SYNAPSE}/_synapse/mas/${what}`, {
        method: "POST",
        headers: { authorization: `Bearer ${SECRET}`, "content-type": "application/json" },
        body: JSON.stringify(body),
    });
    if (!reply.ok) throw new Error(`${what}: ${reply.status} ${await reply.text()}`);
}

const auth = oauth(`http://127.0.0.1:${PORT}`, async (localpart, device_id) => {
    await notify("provision_user", { localpart });
    await notify("upsert_device", { localpart, device_id });
});

async function introspect(request) {
    if (bearerOf(request) !== SECRET) return [401, { error: "invalid_client" }];
    const session = auth.sessions.get((await formOf(request)).get("token"));
    if (session === undefined) return [200, { active: false }];
    const scope = `urn:matrix:client:api:* urn:matrix:client:device:${session.device}`;
    return [200, { active: true, username: session.user, scope }];
}

const server = createServer(listener((request, pathname) => pathname === "/oauth2/introspect"
    ? introspect(request)
    : auth.answer(request, pathname)));
// Longer than the idle timeout of Synapse's connections.
server.keepAliveTimeout = 300_000;
server.listen(Number(PORT), "127.0.0.1");
