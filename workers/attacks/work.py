"""The exercises themselves: each a generator of small steps that tells what it has done so far."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from workers.attacks.crew import Watch, spawn

MIB = 1 << 20
_FILE = 256 << 10  # bytes of one file that is scrambled
_LINE = "2024-01-01T00:00:00Z ERROR auth: failed password for root from 192.0.2.{number} port {port} ssh2".ljust(119)
_HELD = 5.0  # seconds that an unanswered connection is kept

Values = Mapping[str, float]
Work = Generator[dict[str, float], None, None]


def cpu(values: Values, folder: Path, watch: Watch) -> Work:
    """Arithmetic on as many cores as wished."""
    cores = int(values["cores"]) or os.cpu_count() or 1

    def burn() -> None:
        number = 1
        while True:
            number = (number * 1103515245 + 12345) & 0xFFFFFFFF

    for _ in range(cores):
        spawn(burn, watch.longest)
    while True:
        yield {"cores": cores}
        time.sleep(0.2)


def fork(values: Values, folder: Path, watch: Watch) -> Work:
    """Processes that sleep for a while and end."""
    alive: set[int] = set()
    started = 0

    while True:
        while alive and (ended := os.waitpid(-1, os.WNOHANG)[0]):
            alive.discard(ended)
        if len(alive) < values["alive"]:
            alive.add(spawn(signal.pause, random.uniform(1, 2)))
            started += 1
        watch.keep_pace(started, values["rate"])
        if len(alive) >= values["alive"]:
            time.sleep(0.01)
        yield {"processes": started}


def files(values: Values, folder: Path, watch: Watch) -> Work:
    """Read a file, scramble it, write it under another name, remove the first; over and over."""
    count = max(1, int(values["megabytes"] * MIB / _FILE))
    names = [folder / f"document-{number:05d}.dat" for number in range(count)]
    done = 0
    for name in names:
        name.write_bytes(os.urandom(_FILE))
        yield {"files": done}
    key = int.from_bytes(os.urandom(_FILE), "big")
    began = watch.passed
    while True:
        for at, name in enumerate(names):
            scrambled = (int.from_bytes(name.read_bytes(), "big") ^ key).to_bytes(_FILE, "big")
            other = name.with_suffix(".dat" if name.suffix == ".locked" else ".locked")
            with other.open("wb") as file:
                file.write(scrambled)
                file.flush()
                os.fsync(file.fileno())
            name.unlink()
            names[at] = other
            done += 1
            watch.keep_pace(done * _FILE / MIB + began * values["rate"], values["rate"])
            yield {"files": done}


def leak(values: Values, folder: Path, watch: Watch) -> Work:
    """Memory, evenly more until four fifths of the time."""
    held: list[bytes] = []
    while True:
        wished = values["megabytes"] * min(1.0, watch.passed / (0.8 * watch.seconds))
        while len(held) < int(wished) and not watch.over:
            held.append(b"\1" * MIB)  # written to, or the system would not count it
        yield {"megabytes": len(held)}
        time.sleep(0.1)


def logs(values: Values, folder: Path, watch: Watch) -> Work:
    """Lines of failed logins into one file, synced once in a while, begun anew when it is as large as allowed."""
    written, size = 0, 0
    with (folder / "flood.log").open("w") as file:
        while True:
            block = [_LINE.format(number=random.randrange(256), port=random.randrange(65536)) for _ in range(500)]
            text = "\n".join(block) + "\n"
            file.write(text)
            written, size = written + len(block), size + len(text)
            if size > values["megabytes"] * MIB:
                file.seek(0)
                file.truncate()
                size = 0
            if written % 50_000 == 0:
                file.flush()
                os.fsync(file.fileno())
            watch.keep_pace(written, values["rate"])
            yield {"lines": written}


def ports(values: Values, folder: Path, watch: Watch) -> Work:
    """Ports of 127.0.0.1 in random order; every second probe goes to one that never answers, as behind a firewall."""
    tried = 0
    open_since: list[tuple[float, socket.socket]] = []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:  # its backlog full, it answers nobody
        address = silent.getsockname()
        try:
            while True:
                target = address if tried % 2 else ("127.0.0.1", random.randrange(1024, 65536))
                probe = socket.socket()
                probe.setblocking(False)
                probe.connect_ex(target)
                if target is address:
                    open_since.append((time.monotonic(), probe))
                else:
                    probe.close()
                tried += 1
                while open_since and (
                    len(open_since) >= values["connections"] or time.monotonic() - open_since[0][0] > _HELD
                ):
                    open_since.pop(0)[1].close()
                watch.keep_pace(tried, values["rate"])
                yield {"ports": tried}
        finally:
            for _, probe in open_since:
                probe.close()


def exfil(values: Values, folder: Path, watch: Watch) -> Work:
    """A file of random bytes, sent again and again to a listener of one's own."""
    secret = folder / "secrets.bin"
    secret.write_bytes(os.urandom(8 * MIB))
    sent = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def swallow() -> None:
            receiver, _ = listener.accept()
            while receiver.recv(MIB):
                pass

        spawn(swallow, watch.longest)
        with socket.create_connection(listener.getsockname()[:2]) as out, secret.open("rb") as file:
            while True:
                block = file.read(256 << 10)
                if not block:
                    file.seek(0)
                    continue
                with contextlib.suppress(InterruptedError):
                    out.sendall(block)
                sent += len(block)
                watch.keep_pace(sent / MIB, values["rate"])
                yield {"megabytes": round(sent / MIB, 1)}


WORK: Mapping[str, Callable[[Values, Path, Watch], Work]] = {
    "cpu": cpu,
    "fork": fork,
    "files": files,
    "leak": leak,
    "logs": logs,
    "ports": ports,
    "exfil": exfil,
}
