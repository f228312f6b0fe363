// The parts of Synapse's client API and admin API that create users and tokens for tests.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { ask } from "./checks.mjs";

const PASSWORD = "password";

export class Synapse {
    /** @param secret its registration_shared_secret */
    constructor(url, secret) {
        this.url = url;
        this.secret = secret;
    }

    async ask(method, path, { expected = 200, ...how } = {}) {
        const { status, body } = await ask(this.url + path, method, how);
        assert.equal(status, expected, `${method} ${path}: ${JSON.stringify(body)}`);
        return body;
    }

    /** Creates a user with a login session. Returns user_id and access_token. */
    async register(username, admin = false) {
        const path = "/_synapse/admin/v1/register";
        const { nonce } = await this.ask("GET", path);
        const said = [nonce, username, PASSWORD, admin ? "admin" : "notadmin"].join("\0");
        const mac = createHmac("sha1", this.secret).update(said).digest("hex");
        return this.ask("POST", path, { body: { nonce, username, password: PASSWORD, admin, mac } });
    }

    /** Creates another login session of a user. */
    logIn(username, more) {
        const identifier = { type: "m.id.user", user: username };
        const body = { type: "m.login.password", identifier, password: PASSWORD, ...more };
        return this.ask("POST", "/_matrix/client/v3/login", { body });
    }

    guest() {
        return this.ask("POST", "/_matrix/client/v3/register?kind=guest", { body: {} });
    }

    logOut(token) {
        return this.ask("POST", "/_matrix/client/v3/logout", { token, body: {} });
    }

    /** Deactivates an account as its user does, with the password again. */
    async deactivate(username, token) {
        const path = "/_matrix/client/v3/account/deactivate";
        const { session } = await this.ask("POST", path, { token, body: {}, expected: 401 });
        const identifier = { type: "m.id.user", user: username };
        const auth = { type: "m.login.password", identifier, password: PASSWORD, session };
        await this.ask("POST", path, { token, body: { auth } });
    }

    lock(userId, adminToken) {
        const path = `/_synapse/admin/v2/users/${encodeURIComponent(userId)}`;
        return this.ask("PUT", path, { token: adminToken, body: { locked: true } });
    }

    whoAmI(token, expected) {
        return this.ask("GET", "/_matrix/client/v3/account/whoami", { token, expected });
    }
}
