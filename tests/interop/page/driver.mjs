// Opens docs/check.html in Chromium, as a site and as a file. tests/interop/page/run sends commands to the URL that this
// program prints: `check` returns the report on example.org, `pair` what two browsers show, and `healthy` runs every group
// of groups.mjs.
//
//   node driver.mjs --chromium COMMAND --port PORT --key SHA256 [--pictures DIRECTORY]
//
// Chromium takes PORT for the port 443 of the hosts, resolves no other name, and accepts certificates with KEY.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import puppeteer from "puppeteer-core";
import { groups } from "./groups.mjs";
import { pair } from "./pair.mjs";

const option = { type: "string" };
const { values: { chromium, port, key, pictures } } = parseArgs({
    options: { chromium: option, port: option, key: option, pictures: option },
});
const FILE = fileURLToPath(new URL("../../../docs/check.html", import.meta.url));
const HOSTS = ["example.org", "matrix.example.org", "auth.example.org", "rendezvous.example.org"];
// Hosts that only a fault names: the browser looks them up, and finds nothing.
const NO_HOSTS = ["matrix.invalid", "rendezvous.internal"];
const POLL_MS = 50;
const DEADLINE_MS = 60_000;

const listen = async (server) => {
    await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
    return `http://127.0.0.1:${server.address().port}`;
};
// The static host of the page.
const site = await listen(createServer((request, response) => {
    const isPage = new URL(request.url, "http://site").pathname === "/docs/check.html";
    response.writeHead(isPage ? 200 : 404, { "content-type": "text/html" });
    response.end(isPage ? readFileSync(FILE) : "<!doctype html><title>no such page</title>");
}));
const addresses = { site: `${site}/docs/check.html`, file: `file://${FILE}` };

const browser = await puppeteer.launch({
    executablePath: chromium,
    // Chromium's sandbox rejects root, and shared memory is small in containers.
    args: [
        ...(process.getuid() === 0 ? ["--no-sandbox"] : []), "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        `--ignore-certificate-errors-spki-list=${key}`,
        `--host-resolver-rules=${HOSTS.map((host) => `MAP ${host}:443 127.0.0.1:${port}`).join(",")},MAP * ~NOTFOUND,EXCLUDE 127.0.0.1`,
    ],
});

/** Evaluates `condition` in the tab until it holds. The page's policy forbids puppeteer's own way. */
export async function until(tab, condition, what, ...args) {
    const end = Date.now() + DEADLINE_MS;
    for (;;) {
        const value = await tab.evaluate(condition, ...args);
        if (value) return value;
        if (Date.now() > end) throw new Error(`not within ${DEADLINE_MS / 1000} s: ${what}: ${await tab.evaluate(() => document.body.innerText)}`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
}

/** Opens the page in a browser context of its own, and watches its requests and errors. Returns the tab. */
export async function open({ address = addresses.site, width = 1280, height = 900, scheme = "light", fragment = "" } = {}) {
    const context = await browser.createBrowserContext();
    const tab = await context.newPage();
    await tab.setViewport({ width, height, isMobile: width < 500, hasTouch: width < 500 });
    await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    tab.faults = [];
    tab.on("request", (request) => {
        const { protocol, hostname, origin } = new URL(request.url());
        const isKnown = origin === site || (protocol === "file:" && request.url().startsWith(addresses.file)) || HOSTS.includes(hostname) || NO_HOSTS.includes(hostname);
        if (!isKnown) tab.faults.push(`a request to ${request.url()}`);
    });
    tab.on("pageerror", (error) => tab.faults.push(`an error of the page: ${error.stack ?? error}`));
    tab.on("console", (message) => {
        // What the browser says of responses that it gives to no script, and of error statuses.
        const isExpected = /^(Access to fetch at|Failed to load resource)/.test(message.text());
        if (!isExpected) tab.faults.push(`on the console: ${message.text()}`);
    });
    await tab.goto(address + fragment);
    return tab;
}

/** Closes the tab, and fails if the page did what it must not. */
export async function close(tab) {
    assert.deepEqual(tab.faults, []);
    await tab.browserContext().close();
}

/** Enters the server name, and waits for the result. */
export async function check(tab, server = "example.org") {
    await tab.focus("#server");
    await tab.keyboard.type(server);
    await tab.keyboard.press("Enter");
    await until(tab, () => !document.querySelector("#result").hidden, "a result");
}

/** Returns the report as text. */
export const reportOf = (tab) => tab.evaluate(() => renderText(report));

/** Saves a picture, if a directory was given. */
async function picture(tab, name) {
    if (pictures) await tab.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

const COMMANDS = {
    async check() {
        const tab = await open();
        await check(tab);
        const report = await reportOf(tab);
        // What the page shows first is what the report has first.
        const shown = await tab.evaluate(() => document.querySelector("#findings .id")?.textContent ?? "");
        const first = /^(?:FAIL|WARN) (.*)$/m.exec(report)?.[1] ?? "";
        assert.equal(shown, first);
        if (first) await picture(tab, `fault-${first}`);
        await close(tab);
        return report;
    },
    async pair() {
        const { first, second } = await pair({ open, close, until, check, addresses, picture });
        return [`first: ${first}`, `second: ${second}`].join("\n");
    },
    async healthy() {
        const lines = [];
        for (const [what, group] of groups) {
            await group({ open, close, until, check, reportOf, picture, addresses });
            lines.push(`in Chromium: ${what}`);
        }
        return lines.join("\n");
    },
};

const control = await listen(createServer(async (request, response) => {
    try {
        const text = await COMMANDS[request.url.slice(1)]();
        response.writeHead(200).end(`${text}\n`);
    } catch (error) {
        response.writeHead(500).end(`${error.stack}\n`);
    }
}));
process.on("SIGTERM", () => browser.close().finally(() => process.exit()));
console.log(control);
