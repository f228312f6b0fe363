// The stand-in for the module k6/http: synchronous, as k6 is, by curl.
import { spawnSync } from "node:child_process";

/** The spelling of a header field's name in Go, and so in k6: `Etag`. */
const spelled = (name) => name.toLowerCase().replace(/(^|-)[a-z]/g, (letters) => letters.toUpperCase());

function request(method, url, body, { headers = {}, timeout = "60s" } = {}) {
    const options = ["-sS", "-i", "-X", method, "--max-time", String(parseInt(timeout)), "--http1.1"];
    // Without an Expect field, curl sends no interim response.
    for (const [name, value] of Object.entries({ Expect: "", ...headers })) options.push("-H", value ? `${name}: ${value}` : `${name}:`);
    if (body !== null) options.push("--data-binary", "@-");
    const { status: exit, stdout, stderr } = spawnSync("curl", [...options, url], { input: body ?? "", encoding: "utf8" });
    // k6 does not throw either.
    if (exit !== 0) return { status: 0, headers: {}, body: null, error: stderr.trim(), json: () => undefined };
    const end = stdout.indexOf("\r\n\r\n");
    const [first, ...fields] = stdout.slice(0, end).split("\r\n");
    const text = stdout.slice(end + 4);
    const named = fields.map((field) => [spelled(field.slice(0, field.indexOf(":"))), field.slice(field.indexOf(":") + 1).trim()]);
    return {
        status: Number(first.split(" ")[1]),
        headers: Object.fromEntries(named),
        body: text,
        error: "",
        json: (name) => JSON.parse(text)[name],
    };
}

export default { request };
