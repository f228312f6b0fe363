// A real OAuth 2.0 server with token introspection (RFC 7662) and revocation (RFC 7009).
//
//   node provider.mjs PORT RENDEZVOUS-SECRET
//
// Tests get a token without a browser by `POST /issue` (scope, seconds), which is not part of OAuth. It returns a token of
// the user "alice" and the client "device". The library answers all other requests.

import { createServer } from "node:http";
import Provider from "oidc-provider";
import { formOf, listener } from "../oauth.mjs";

const [PORT, SECRET] = process.argv.slice(2);
const client = (client_id, client_secret) => ({
    client_id, client_secret, token_endpoint_auth_method: "client_secret_basic",
    redirect_uris: [], response_types: [], grant_types: [],
});
const provider = new Provider(`http://127.0.0.1:${PORT}`, {
    // A client id must be percent-encoded in the header (RFC 6749, 2.3.1), and this server requires it.
    clients: [client("rendezvous:1", SECRET), client("device", "secret")],
    features: { introspection: { enabled: true }, revocation: { enabled: true }, devInteractions: { enabled: false } },
    cookies: { keys: ["secret"] },
});

async function issue(request) {
    const form = await formOf(request);
    const [scope, owner] = [form.get("scope"), { accountId: "alice", clientId: "device" }];
    const grant = new provider.Grant(owner);
    grant.addOIDCScope(scope);
    const token = new provider.AccessToken({
        accountId: owner.accountId, client: await provider.Client.find(owner.clientId), scope,
        grantId: await grant.save(), expiresIn: Number(form.get("seconds")),
    });
    return [200, { access_token: await token.save() }];
}

const issueListener = listener(issue);
const libraryListener = provider.callback();
createServer((request, response) => (request.url === "/issue" ? issueListener : libraryListener)(request, response))
    .listen(Number(PORT), "127.0.0.1");
