// One device of a sign-in by QR code with the released matrix-sdk: a process of tests/interop/rust/src/bin/device.rs, which
// documents the lines that the two exchange.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** The running devices. All are killed when this process exits. */
const devices = new Set();
process.on("exit", () => devices.forEach((device) => device.kill("SIGKILL"))); // a stopped process gets no SIGTERM

/** Same interface as jsSdk, except that `device` gets a function `signal`, which sends its process a signal. */
export async function rustSdk({ existing, shows, homeserver, person, device: control }) {
    const who = existing ? [existing.userId, existing.deviceId, existing.accessToken] : [];
    const device = spawn(process.env.DEVICE, [shows ? "shows" : "scans", homeserver.base, ...who], { stdio: ["pipe", "pipe", "inherit"] });
    devices.add(device);
    control.signal = (signal) => device.kill(signal);
    const ended = once(device, "close");
    try {
        const send = (line) => device.stdin.write(`${JSON.stringify(line)}\n`);
        const carry = shows
            ? person.enteredCheckCode().then((check) => send({ check }))
            : person.scan().then((code) => send({ code: Buffer.from(code).toString("base64") }));
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
        device.kill("SIGKILL");
        devices.delete(device);
    }
}
