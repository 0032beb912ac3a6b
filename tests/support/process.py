"""One real server process: started with its log kept, waited for, stopped, killed, frozen; and ports for it."""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Below the range that the system hands to outgoing connections: while a server is down, a client that keeps dialling
# a port of that range can be given the very same port as its own end, connect to itself and keep the server out.
_PORTS = range(18_000, 32_000)


class Missing(RuntimeError):
    """A service cannot be brought up here; the message names the command that installs what is missing."""


def free_port(among: range = _PORTS) -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    for port in random.sample(among, min(200, len(among))):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise Missing(f"no free port between {among.start} and {among.stop} on 127.0.0.1")


class Daemon:
    """A child process in a session of its own, so that a Ctrl-C meant for the tests does not reach it first.

    It dies with this Python process, if that one ends in any way it can notice; a `kill -9` of the tests leaves it.
    """

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(env or {})},
            )
        atexit.register(self.kill)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_ready(self, ready: Callable[[], bool], timeout: float) -> None:
        """Return once `ready()` is true. `RuntimeError` with the end of the log if it never is, or the process ends."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self.running:
                raise RuntimeError(f"{self._name} ended with {self._process.returncode}; {self.log}:\n{self.tail()}")
            if ready():
                return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"{self._name} was not ready after {timeout:.0f} s; {self.log}:\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, timeout: float = 20) -> None:
        """SIGTERM, and SIGKILL if that is not obeyed in time."""
        if self.running:
            self.thaw()
            self._process.terminate()
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()

    def wait(self, timeout: float) -> int:
        """The exit code of a process that ends by itself. `TimeoutExpired` if it does not in time."""
        code = self._process.wait(timeout)
        self._reap()
        return code

    def kill(self) -> None:
        """SIGKILL, now."""
        if self.running:
            self._process.kill()
        self._reap()

    def freeze(self) -> None:
        """SIGSTOP: alive for the kernel, silent for everyone else."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    @property
    def _name(self) -> str:
        return Path(str(self._process.args[0] if isinstance(self._process.args, list) else self._process.args)).name

    def _reap(self) -> None:
        self._process.wait()
        atexit.unregister(self.kill)
