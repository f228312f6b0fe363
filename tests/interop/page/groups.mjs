// What the page does on a deployment without a fault.

import assert from "node:assert/strict";
import { begin, endOf, pair } from "./pair.mjs";

/** Fails if the page is wider than the window. (A phone's innerWidth grows with its content.) */
async function assertFits(tab) {
    const { width } = tab.viewport();
    const content = await tab.evaluate(() => document.documentElement.scrollWidth);
    assert(content <= width, `the page is ${content} px wide in a window of ${width} px`);
}

/** Returns the id of the element with the focus. */
const focused = (tab) => tab.evaluate(() => document.activeElement.id || document.activeElement.tagName.toLowerCase());

/** Presses Tab until an element has the focus, and fails if it shows no outline. */
async function tabTo(tab, id) {
    for (let presses = 0; presses < 12; presses += 1) {
        await tab.keyboard.press("Tab");
        if (await focused(tab) === id) {
            const outline = await tab.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
            assert.notEqual(outline, "none", `${id} shows no focus`);
            return;
        }
    }
    assert.fail(`no Tab leads to ${id}`);
}

async function sizesAndSchemes({ open, close, check, reportOf, picture }) {
    const backgrounds = new Set();
    for (const width of [1280, 390, 360]) {
        for (const scheme of ["light", "dark"]) {
            const tab = await open({ width, height: width < 500 ? 844 : 900, scheme });
            backgrounds.add(await tab.evaluate(() => getComputedStyle(document.body).backgroundColor));
            await assertFits(tab);
            await picture(tab, `start-${width}-${scheme}`);
            await check(tab);
            assert.match(await reportOf(tab), /^failed: 0, warnings: 0, /m);
            await tab.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
            await assertFits(tab);
            await picture(tab, `healthy-${width}-${scheme}`);
            await close(tab);
        }
    }
    assert.equal(backgrounds.size, 2);
}

async function keyboard({ open, close, until, reportOf }) {
    const tab = await open();
    await tab.browserContext().overridePermissions(new URL(tab.url()).origin, ["clipboard-read", "clipboard-write", "clipboard-sanitized-write"]);
    await tabTo(tab, "server");
    await tab.keyboard.type("not a name");
    await tab.keyboard.press("Enter");
    assert.match(await tab.evaluate(() => document.querySelector("#server-error").innerText), /expected a server name/);
    assert.equal(await focused(tab), "server");
    await tab.keyboard.down("Control");
    await tab.keyboard.press("a");
    await tab.keyboard.up("Control");
    await tab.keyboard.type("example.org");
    await tabTo(tab, "check");
    await tab.keyboard.press("Enter");
    await until(tab, () => !document.querySelector("#result").hidden, "a result");
    assert.equal(await focused(tab), "result-title");
    assert.equal(await tab.evaluate(() => document.activeElement.textContent), "No fault found");
    await tab.keyboard.press("Tab");
    await tab.keyboard.press("Enter");
    assert(await tab.evaluate(() => document.querySelector("#passed").open), "Enter opens the list");
    await tabTo(tab, "copy");
    await tab.keyboard.press("Enter");
    await until(tab, () => document.querySelector("#copied").textContent, "a word about the copy");
    assert.match(await tab.evaluate(() => document.querySelector("#copied").textContent), /is in the clipboard/);
    assert.equal(await tab.evaluate(() => navigator.clipboard.readText()), await reportOf(tab));
    await tabTo(tab, "pair-start");
    await close(tab);
}

async function copyWithoutClipboard({ open, close, until, check, reportOf }) {
    const tab = await open();
    await tab.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
    await check(tab);
    await tab.evaluate(() => document.querySelector("#copy").click());
    await until(tab, () => !document.querySelector("#report").hidden, "the text");
    const report = await reportOf(tab);
    assert.equal(await tab.evaluate(() => document.querySelector("#report").value), report);
    const selected = await tab.evaluate(() => {
        const { selectionStart, selectionEnd, value } = document.querySelector("#report");
        return document.activeElement.id === "report" && selectionStart === 0 && selectionEnd === value.length;
    });
    assert(selected, "the text is selected");
    await close(tab);
}

async function file({ open, close, check, reportOf, picture, addresses }) {
    const tab = await open({ address: addresses.file });
    await picture(tab, "file");
    await check(tab);
    assert.match(await reportOf(tab), /^failed: 0, warnings: 0, /m);
    assert.equal(await tab.evaluate(() => new URL(document.querySelector("#document").href).pathname.split("/").pop()), "doctor.md");
    await close(tab);
}

async function baseUrl({ open, close, check, reportOf }) {
    const tab = await open();
    await check(tab, "https://matrix.example.org");
    const report = await reportOf(tab);
    assert.match(report, /^failed: 0, warnings: 0, /m);
    assert.match(report, /^skip well-known: a base URL was given/m);
    await close(tab);
}

async function twoDevices(tools) {
    const { first, second, rows } = await pair(tools);
    for (const end of [first, second]) assert.match(end, /^pass A whole session works between these two devices: 10 messages/);
    assert.deepEqual(rows, [5, 5]);
}

/** A file has no address for the second device: the link is pasted there. */
async function pastedLink({ open, close, until, addresses }) {
    const first = await open({ address: addresses.file });
    const link = await begin(first, until);
    assert.match(link, /^https:\/\/matrix\.example\.org\/_matrix\//);
    const second = await open();
    await second.evaluate(() => { document.querySelector("#paste").open = true; });
    await second.focus("#paste-link");
    await second.keyboard.type(link);
    await second.keyboard.press("Enter");
    await second.keyboard.press("Tab");
    assert.equal(await focused(second), "join-start");
    await second.keyboard.press("Enter");
    for (const tab of [first, second]) assert.match(await endOf(tab, until), /^pass /);
    await close(first);
    await close(second);
}

async function cancelled({ open, close, until, picture }) {
    const first = await open();
    const link = await begin(first, until);
    await first.evaluate(() => document.querySelector("#pair-cancel").click());
    assert.equal(await endOf(first, until), "Cancelled.");
    const second = await open({ address: link, width: 390, height: 844, scheme: "dark" });
    await second.evaluate(() => document.querySelector("#join-start").click());
    await until(second, () => !document.querySelector("#pair-copy").hidden, "the end of the test");
    await assertFits(second);
    await picture(second, "pair-failed");
    assert.match(await endOf(second, until), /^FAIL one-store\n.*404 M_NOT_FOUND.*\n.*the other device has cancelled/);
    await close(first);
    await close(second);
}

async function invalidLinks({ open, close }) {
    for (const url of ["javascript:alert(1)", "https://example.org/", "https://u:p@example.org/rendezvous/a", "nothing"]) {
        const tab = await open({ fragment: `#meet=${url}` });
        assert.match(await tab.evaluate(() => document.querySelector("#join-error").innerText), /not a link of a test/);
        assert(await tab.evaluate(() => document.querySelector("#join-start").disabled), url);
        await close(tab);
    }
}

/** What a server says is shown as text, in one line. */
async function foreignText({ open, close }) {
    const tab = await open();
    const shown = await tab.evaluate(() => {
        const card = findingCard({ id: "read", status: "fail", what: "<b>bold</b>\u202e\n", why: "", action: "" });
        return card.querySelector("b") ?? card.querySelector("dd").textContent;
    });
    assert.equal(shown, "<b>bold</b>\\u{202e}\\u{a}");
    await close(tab);
}

export const groups = [
    ["three sizes and two schemes: no failure, nothing wider than the window", sizesAndSchemes],
    ["the keyboard alone: an invalid name, a check, the report in the clipboard", keyboard],
    ["the report as selected text if there is no clipboard", copyWithoutClipboard],
    ["a base URL instead of a server name", baseUrl],
    ["the page as a file", file],
    ["two devices exchange ten messages, by the QR code", twoDevices],
    ["two devices exchange ten messages, by a pasted link from a file", pastedLink],
    ["a test that the first device cancels", cancelled],
    ["links that are not of a test", invalidLinks],
    ["text of a server that is markup or changes direction", foreignText],
];
