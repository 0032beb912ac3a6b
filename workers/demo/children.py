"""Processes that live no longer than the one that started them, each with a log file."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

TAIL = 30
"""Lines of a log that are shown when its process died."""

_PR_SET_PDEATHSIG = 1


class ChildDied(RuntimeError):
    """A process ended that should not have; the message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        with self.log.open(errors="replace") as file:
            return "".join(deque(file, TAIL)).rstrip()


class Children:
    """Starts processes, notices when one dies, and ends all of them on leaving; the last one started first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[Child] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str], read: bool = False) -> Child:
        """Run a command with its output in `<name>.log` (`read`: standard output is left to the caller).

        In a session of its own: Ctrl-C is for the parent, which then ends its children in order.
        """
        log = self._folder / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if read else file,
                stderr=file,
                start_new_session=True,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        child = Child(name, process, log)
        self._running.append(child)
        return child

    def check(self) -> None:
        """Raises `ChildDied` when one has ended."""
        for child in self._running:
            code = child.process.poll()
            if code is not None:
                how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
                raise ChildDied(f"{child.name} ended {how}. The last lines of its log:\n{child.tail()}")

    def tails(self) -> str:
        """The last lines of every log, under its name."""
        return "\n".join(f"--- {child.name}\n{child.tail()}" for child in self._running)

    def stop(self, patience: float = 10.0) -> None:
        """SIGTERM in reverse order of starting, all at once within a name; SIGKILL for those that do not go."""
        for child in reversed(self._running):
            if child.process.poll() is None:
                child.process.terminate()
        for child in reversed(self._running):
            try:
                child.process.wait(patience)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self._running.clear()


def die_with_parent() -> None:
    """Linux: when the parent is killed so that it cannot clean up, the kernel ends the child."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:  # it died before the line above
        os._exit(1)
