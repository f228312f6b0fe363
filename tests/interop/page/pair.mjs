// Two browsers: one shows a QR code, the other opens its link, and they exchange messages.

import assert from "node:assert/strict";
import jsQR from "jsqr";

const SCALE = 4;

/** Reads the QR code that a tab shows, as a camera would: from its dark squares. */
export async function scan(tab) {
    const { box, path } = await tab.evaluate(() => ({
        box: document.querySelector("#qr").getAttribute("viewBox"), path: document.querySelector("#qr path").getAttribute("d"),
    }));
    const size = Number(box.split(" ")[2]) * SCALE;
    const pixels = new Uint8ClampedArray(size * size * 4).fill(255);
    for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)) {
        for (let dy = 0; dy < SCALE; dy += 1) {
            for (let dx = 0; dx < SCALE; dx += 1) pixels.fill(0, ((y * SCALE + dy) * size + x * SCALE + dx) * 4, ((y * SCALE + dy) * size + x * SCALE + dx) * 4 + 3);
        }
    }
    return jsQR(pixels, size, size)?.data;
}

/** Begins a test on the first device. Returns the link that it shows. */
export async function begin(tab, until, server = "example.org") {
    await tab.focus("#server");
    await tab.keyboard.type(server);
    await tab.focus("#pair-start");
    await tab.keyboard.press("Enter");
    await until(tab, () => !document.querySelector("#pair-link").hidden || document.querySelector("#pair-result").textContent, "a link");
    return tab.evaluate(() => document.querySelector("#link").textContent);
}

/** Returns what a tab says at the end of a test: the last lines of its report. */
export async function endOf(tab, until) {
    await until(tab, () => !document.querySelector("#pair-copy").hidden, "the end of the test");
    const report = await tab.evaluate(() => meetingReport);
    return report.trim().split("\n").slice(3).filter((line) => !line.startsWith("message ")).join("\n");
}

/** A whole test: a laptop and a phone. The phone scans the code. */
export async function pair({ open, close, until, picture }) {
    const laptop = await open();
    const link = await begin(laptop, until);
    assert.equal(await scan(laptop), link);
    await picture(laptop, "pair-code");
    const phone = await open({ address: link, width: 390, height: 844 });
    assert.equal(await phone.evaluate(() => document.querySelector("#join-host").textContent), "matrix.example.org");
    await picture(phone, "pair-join");
    // The heading has the focus: the button is the next stop.
    await phone.keyboard.press("Tab");
    await phone.keyboard.press("Enter");
    const second = await endOf(phone, until);
    // A first device that waits for a device that failed goes on until the session ends: cancel it.
    if (!second.startsWith("pass")) {
        await laptop.evaluate(() => document.querySelector("#pair-cancel").click());
    }
    const first = await endOf(laptop, until);
    await picture(laptop, "pair-first");
    await picture(phone, "pair-second");
    const rows = await Promise.all([laptop, phone].map((tab) => tab.evaluate(() => document.querySelectorAll("#messages tbody tr").length)));
    await close(laptop);
    await close(phone);
    return { first, second, rows };
}
