"""Devices that poll once a second, each from an address and on a connection of its own, two of them on each session.

    devices.py PORT DEVICES SECONDS

It says "open" when all have had a reply, and at the end how many polls there were after that."""
import asyncio
import json
import sys

API = "/_matrix/client/unstable/io.element.msc4388/rendezvous"
port, devices, seconds = map(int, sys.argv[1:])
polls = 0


async def send(connection, number, method, path, body=""):
    """One request and its reply's body; anything but a 200 ends all."""
    reader, writer = connection
    address = f"10.1.{number // 256}.{number % 256}"
    head = f"{method} {path} HTTP/1.1\r\nHost: matrix.example.org\r\nX-Forwarded-For: {address}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    reply = (await reader.readuntil(b"\r\n\r\n")).decode()
    if not reply.startswith("HTTP/1.1 200"):
        sys.exit(reply)
    length = next(line for line in reply.lower().split("\r\n") if line.startswith("content-length:"))
    return await reader.readexactly(int(length.split()[1]))


async def poll(connection, number, path, start, end):
    global polls
    loop = asyncio.get_running_loop()
    at = start + number / devices
    while at < end:
        await asyncio.sleep(at - loop.time())
        await send(connection, number, "GET", path)
        polls += 1
        at += 1


async def main():
    connections, paths = [], []
    for number in range(devices):
        connections.append(await asyncio.open_connection("127.0.0.1", port))
        if number % 2 == 0:
            created = await send(connections[-1], number, "POST", API, json.dumps({"data": "x" * 800}))
            paths.append(f"{API}/{json.loads(created)['id']}")
        await send(connections[-1], number, "GET", paths[-1])
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    start = asyncio.get_running_loop().time()
    every = zip(connections, range(devices), [paths[number // 2] for number in range(devices)])
    await asyncio.gather(*(poll(*device, start, start + seconds) for device in every))
    print(polls, flush=True)
    await asyncio.to_thread(sys.stdin.readline)


asyncio.run(main())
