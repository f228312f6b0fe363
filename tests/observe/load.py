"""What people do, and what others do, at two workers.

  load.py crowd ONE TWO          sign-ins and everything that can become of them, until it is told to end (SIGTERM)
  load.py unanswered ONE N       so many sessions that nobody answers, by the stable API, each from its own address
  load.py begun ONE N            the same, each answered once
  load.py fill ONE N             the same, until one is refused for want of a place
  load.py connections ONE N      so many connections that ask nothing, until it is told to end
"""

import itertools
import random
import signal
import socket
import sys
import threading
from collections import Counter

from device import MANGLED, Device, Refused

# What it prints is of one length from run to run; what it does need not be the same, but may as well.
chance = random.Random(4388)
over = threading.Event()
became = Counter()
addresses = (f"10.{a}.{b}.{c}" for a, b, c in itertools.product(range(256), repeat=3))
WRITES = 8
# A person takes a second or thirty; here everything goes on faster, so that minutes show what days do.
CAMERA, THOUGHT = (0.3, 2.0), 0.1
# Twice as many as the alert about refused clients lets pass.
IMPATIENT = 22


def sign_in(dialect, workers, token=None, mangle=None, answered=True, stale=False):
    one = Device(dialect, workers[0], next(addresses), token, mangle)
    two = Device(dialect, workers[1], next(addresses), None, mangle)
    devices = [one, two]
    try:
        one.discover()
        session = one.create("")
        first = one.known
        over.wait(chance.uniform(*CAMERA))
        one.poll(session)
        if not answered:
            return "left"
        two.poll(session)
        for number in range(1, WRITES + 1):
            # The second device answers first; who does not write polls before and after.
            writer, reader = devices[number % 2], devices[1 - number % 2]
            reader.poll(session)
            writer.write(session, f"{number} {'m' * 600}")
            reader.poll(session)
            over.wait(THOUGHT)
            if stale and number == 4:
                two.write(session, "too late", first)
        one.delete(session)
        return "finished"
    finally:
        for device in devices:
            device.close()


def strangers(workers):
    """Somebody asks for a mailbox that is not there, and shows a token that is nobody's."""
    device = Device("json", workers[0], next(addresses), "bad")
    for what in (lambda: device.poll(device.path + "/" + "A" * 22), lambda: device.create("")):
        try:
            what()
        except Refused:
            pass
    device.close()
    return "refused"


def impatient(workers):
    """Each creates more sessions than one may at once (limits.create.client, three here)."""
    for number in range(1, IMPATIENT + 1):
        device = Device("etag", workers[number % 2], f"192.0.2.{number}")
        try:
            for _ in range(6):
                device.create("")
        except Refused:
            pass
        device.close()
    return "refused"


def crowd(workers):
    def scenes():
        for round_ in itertools.count():
            turned = workers[:: 1 if round_ % 2 else -1]
            yield lambda: sign_in("json", turned, token="good")
            yield lambda: sign_in("etag", turned)
            yield lambda: sign_in("etag", turned, mangle=MANGLED[round_ % 3])
            yield lambda: sign_in("json", turned, answered=False)
            yield lambda: sign_in("etag", turned)
            yield lambda: strangers(turned)
            yield lambda: sign_in("json", turned, stale=True)
            yield lambda: impatient(turned)

    def play(scene):
        try:
            became[scene()] += 1
        except Refused as reply:
            became[str(reply)] += 1
        except (OSError, socket.timeout) as error:
            became[type(error).__name__] += 1

    threads = []
    for scene in scenes():
        if over.wait(0.25):
            break
        threads = [thread for thread in threads if thread.is_alive()]
        threads.append(threading.Thread(target=play, args=(scene,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    print("the crowd:", ", ".join(f"{what} {count}" for what, count in sorted(became.items())))


def each(worker, count, answered):
    for _ in range(count):
        device = Device("v1", worker, next(addresses))
        session = device.create("")
        if answered:
            device.write(session, "hello")
        device.close()


def connections(worker, count):
    host, port = worker.split(":")
    held = [socket.create_connection((host, int(port))) for _ in range(count)]
    over.wait()
    for one in held:
        one.close()


signal.signal(signal.SIGTERM, lambda *_: over.set())
what, *rest = sys.argv[1:]
if what == "crowd":
    crowd(rest)
elif what == "connections":
    connections(rest[0], int(rest[1]))
else:
    # Other addresses than the crowd's, and others each time.
    addresses = (f"172.{16 + len(what)}.{number // 250}.{number % 250 + 1}" for number in itertools.count())
    try:
        each(rest[0], int(rest[1]), what == "begun")
    except Refused:
        if what != "fill":
            raise
