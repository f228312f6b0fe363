// Checks that a browser shows nothing of a session that it opens or embeds.

import assert from "node:assert/strict";
import { ETAG_DIALECT, JSON_DIALECT } from "./origins.mjs";

// If a browser ever treats it as script or as a page, it runs and sets the title.
const RAN = "the payload ran";
const PAYLOAD = `document.title = "${RAN}"; // <script>document.title = "${RAN}"</script>`;

/** Elements that load a URL, with the attribute and the Sec-Fetch-Dest that the browser sends. */
const ELEMENTS = {
    iframe: ["src", "iframe"], img: ["src", "image"], script: ["src", "script"], object: ["data", "object"],
    embed: ["src", "embed"], video: ["src", "video"], audio: ["src", "audio"], link: ["href", "style"],
};

export async function refusesToShow({ browser, page, ask, at, seen, expect }) {
    const text = expect(await ask("POST", at(ETAG_DIALECT), { "Content-Type": "text/plain" }, PAYLOAD), 201);
    const json = expect(await ask("POST", at(JSON_DIALECT), {}, JSON.stringify({ data: PAYLOAD })), 200);
    const sessions = [JSON.parse(text.text).url, `${JSON_DIALECT}/${JSON.parse(json.text).id}`];

    /** The request for `url` had the fetch metadata `use`, and was rejected without the payload. */
    const refused = (url, use) => {
        const request = seen.findLast((request) => url.endsWith(request.url));
        assert(request, `no request for ${url}`);
        const { headers, status, body } = request;
        for (const [name, value] of Object.entries(use)) assert.equal(headers[`sec-fetch-${name}`], value, `${url}: ${name}`);
        assert.deepEqual([status, JSON.parse(body).errcode, body.includes(RAN)], [403, "M_FORBIDDEN", false], url);
    };
    /** No frame of the tab contains the payload, and its script did not run. */
    const isEmpty = async (tab) => {
        for (const frame of tab.frames()) {
            try {
                const shown = await frame.evaluate(() => document.title + document.documentElement.outerHTML);
                assert(!shown.includes(RAN), `${frame.url()}: ${shown}`);
            } catch (error) {
                // An element that failed to load can remove its frame at any moment.
                if (!frame.detached || error instanceof assert.AssertionError) throw error;
            }
        }
    };

    for (const session of sessions) {
        // Opened as if typed, and reloaded.
        const typed = `${at(session)}?typed`;
        const tab = await browser.newPage();
        for (const go of [() => tab.goto(typed), () => tab.reload()]) {
            const before = seen.length;
            assert.equal((await go()).status(), 403);
            assert(seen.length > before);
            refused(typed, { dest: "document", mode: "navigate", site: "none" });
            await isEmpty(tab);
        }
        await tab.close();

        // Opened by a link, and by a script.
        for (const [how, open] of Object.entries({
            link: (url) => {
                const link = Object.assign(document.createElement("a"), { href: url, target: "_blank", textContent: "link" });
                document.body.replaceChildren(link);
            },
            script: (url) => void window.open(url),
        })) {
            const url = `${at(session)}?${how}`;
            const opened = new Promise((popup) => page.once("popup", popup));
            await page.evaluate(open, url);
            if (how === "link") await page.click("a");
            const popup = await opened;
            await popup.waitForFunction((url) => location.href === url && document.readyState === "complete", {}, url);
            refused(url, { dest: "document", mode: "navigate", site: "cross-site", ...(how === "link" && { user: "?1" }) });
            await isEmpty(popup);
            await popup.close();
        }

        // Embedded in every element, in a page that would notice.
        for (const [element, [attribute, dest]] of Object.entries(ELEMENTS)) {
            const url = `${at(session)}?${element}`;
            await page.evaluate((element, attribute, url) => new Promise((settled) => {
                const made = document.createElement(element);
                if (element === "link") made.rel = "stylesheet";
                made.onload = made.onerror = settled;
                made[attribute] = url;
                document.body.replaceChildren(made);
            }), element, attribute, url);
            refused(url, { dest });
            await isEmpty(page);
        }
        assert.equal(await page.title(), "page");
        const read = expect(await ask("GET", at(session)), 200);
        assert(read.text.includes(RAN), "the session is unchanged");
    }
}
