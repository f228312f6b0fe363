// One device of a sign-in by QR code, played by the released matrix-sdk: a process of
// tests/interop/rust/src/bin/device.rs, which says what the lines between it and us are.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Those that run: none outlives us, however we end. */
const devices = new Set();
process.on("exit", () => devices.forEach((device) => device.kill()));

/** As jsSdk. */
export async function rustSdk({ existing, shows, homeserver, person }) {
    const who = existing ? [existing.userId, existing.deviceId, existing.accessToken] : [];
    const device = spawn(process.env.DEVICE, [shows ? "shows" : "scans", homeserver.base, ...who], { stdio: ["pipe", "pipe", "inherit"] });
    devices.add(device);
    const ended = once(device, "close");
    try {
        const tell = (line) => device.stdin.write(`${JSON.stringify(line)}\n`);
        const carry = shows
            ? person.enteredCheckCode().then((check) => tell({ check }))
            : person.scan().then((code) => tell({ code: Buffer.from(code).toString("base64") }));
        let masterKey;
        for await (const line of createInterface({ input: device.stdout })) {
            const { code, check, agree, master_key } = JSON.parse(line);
            if (code) person.show(Buffer.from(code, "base64"));
            if (check) person.showCheckCode(check);
            if (agree) person.agree(agree);
            masterKey = master_key;
        }
        const [status] = await ended;
        if (status !== 0) throw new Error(`the matrix-sdk device ended with ${status}`);
        await carry;
        return masterKey;
    } finally {
        device.kill();
        devices.delete(device);
    }
}
