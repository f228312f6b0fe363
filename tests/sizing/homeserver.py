"""A homeserver that knows every access token, each as another user's, and is asked for nothing else (/account/whoami)."""
import asyncio
import sys


async def answer(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            token = next(line for line in head.split("\r\n") if line.lower().startswith("authorization:")).split()[-1]
            body = f'{{"user_id":"@{token}:example.org","is_guest":false}}'
            length = f"Content-Length: {len(body)}"
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{length}\r\n\r\n{body}".encode())
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    await (await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))).serve_forever()


asyncio.run(main())
