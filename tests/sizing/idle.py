"""Opens connections, has one request on each, and holds them until it is killed."""
import signal
import socket
import sys

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
held = []
for _ in range(count):
    connection = socket.create_connection((host, port), timeout=10)
    connection.sendall(b"GET /unknown HTTP/1.1\r\nHost: x\r\n\r\n")
    if not connection.recv(4096).startswith(b"HTTP/1.1 404"):
        sys.exit("another answer")
    held.append(connection)
print("open", flush=True)
signal.pause()
