// A stub for the OAuth endpoints that a sign-in uses, in place of a Matrix Authentication Service. It runs next to a
// homeserver and registers every new device there: addDevice(user, device).
//
// Tests get a session without a browser by `POST session` (user, device), which is not part of OAuth. To approve a new
// device, the test sends a `POST` to the verification_uri_complete with the existing device's token as bearer token. Until
// then the new device's token is pending.

import { randomUUID } from "node:crypto";

/** Returns what the homeserver needs: the metadata, the sessions by token, and the request handler. */
export function oauth(base, addDevice) {
    const sessions = new Map();
    const grants = new Map();
    const metadata = {
        issuer: `${base}/`, authorization_endpoint: `${base}/authorize`, token_endpoint: `${base}/token`,
        registration_endpoint: `${base}/register`, revocation_endpoint: `${base}/revoke`,
        device_authorization_endpoint: `${base}/device`, account_management_uri: `${base}/account`,
        response_types_supported: ["code"], response_modes_supported: ["query", "fragment"],
        grant_types_supported: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        code_challenge_methods_supported: ["S256"],
    };
    const signIn = async (user, device) => {
        await addDevice(user, device);
        const access_token = randomUUID();
        sessions.set(access_token, { user, device });
        return { access_token, token_type: "Bearer" };
    };

    /** Returns [status, body], or undefined for an unknown request. */
    async function answer(request, pathname) {
        const route = `${request.method} ${pathname}`;
        if (route === "GET /.well-known/openid-configuration") return [200, metadata];
        if (route === "GET /link") return [200, {}];
        if (route === "POST /register") return [201, { client_id: "c" }];
        if (route === "POST /session") {
            const form = await formOf(request);
            return [200, await signIn(form.get("user"), form.get("device"))];
        }
        if (route === "POST /device") {
            const scope = (await formOf(request)).get("scope") ?? "";
            const device = /client:device:(\S+)/.exec(scope)?.[1];
            if (device === undefined) return [400, { error: "invalid_scope" }];
            const [device_code, user_code] = [randomUUID(), randomUUID()];
            grants.set(device_code, { device, scope, user_code });
            return [200, {
                device_code, user_code, verification_uri: `${base}/verify`,
                verification_uri_complete: `${base}/verify/${user_code}`, expires_in: 300, interval: 1,
            }];
        }
        if (route.startsWith("POST /verify/")) {
            const grant = [...grants.values()].find(({ user_code }) => route.endsWith(`/${user_code}`));
            const session = sessions.get(bearerOf(request));
            if (grant === undefined || session === undefined) return [403, { error: "access_denied" }];
            grant.user = session.user;
            return [200, {}];
        }
        if (route === "POST /token") {
            const code = (await formOf(request)).get("device_code");
            const grant = grants.get(code);
            if (grant === undefined) return [400, { error: "invalid_grant" }];
            if (grant.user === undefined) return [400, { error: "authorization_pending" }];
            grants.delete(code);
            return [200, { ...await signIn(grant.user, grant.device), scope: grant.scope }];
        }
    }
    return { metadata, sessions, answer };
}

export const bearerOf = (request) => /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];

export async function bodyOf(request) {
    let body = "";
    for await (const part of request.setEncoding("utf8")) body += part;
    return body;
}

export const formOf = async (request) => new URLSearchParams(await bodyOf(request));

/** Returns a node request listener that sends the result of `answer` as JSON, and 404 if there is none. */
export const listener = (answer) => async (request, response) => {
    const { pathname } = new URL(request.url, "http://stub");
    const json = (status, body, headers) => {
        request.resume();
        response.writeHead(status, { "content-type": "application/json", ...headers });
        response.end(JSON.stringify(body));
    };
    try {
        const unknown = [404, { errcode: "M_UNRECOGNIZED", error: `${request.method} ${pathname}` }];
        json(...await answer(request, pathname) ?? unknown);
    } catch (error) {
        console.error(error);
        json(500, { errcode: "M_UNKNOWN", error: String(error) });
    }
};
