// The OAuth server of a real Synapse: the stub, told to Synapse as its matrix_authentication_service.
//
//   node oauth.mjs PORT SYNAPSE SECRET
//
// Users and devices are made in Synapse through its API for that service, and tokens are introspected here.

import { createServer } from "node:http";
import { bearerOf, formOf, listener, oauth } from "../oauth.mjs";

const [PORT, SYNAPSE, SECRET] = process.argv.slice(2);

async function tell(what, body) {
    const reply = await fetch(`${SYNAPSE}/_synapse/mas/${what}`, {
        method: "POST",
        headers: { authorization: `Bearer ${SECRET}`, "content-type": "application/json" },
        body: JSON.stringify(body),
    });
    if (!reply.ok) throw new Error(`${what}: ${reply.status} ${await reply.text()}`);
}

const auth = oauth(`http://127.0.0.1:${PORT}`, async (localpart, device_id) => {
    await tell("provision_user", { localpart });
    await tell("upsert_device", { localpart, device_id });
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
// Longer than Synapse keeps its connections.
server.keepAliveTimeout = 300_000;
server.listen(Number(PORT), "127.0.0.1");
