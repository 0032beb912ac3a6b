"""The process that tidies up: `python -m workers.attacks.keeper WISH`; it owns the crew and the temporary folder.

Its standard input is a pipe whose other end only the command holds: when that closes, because the command was stopped
or killed, the crew is ended and the folder removed. It is in a session of its own, so a Ctrl-C does not reach it.
It prints a line of JSON when it begins (its folder) and one in the end (what the crew did).
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "faultline-attack-"
_LOCK = "keeper.lock"  # held as long as the keeper lives, which the system sees to
_GRACE = 3.0  # seconds to end at SIGTERM
_LATE = 10.0  # seconds behind the end of its time after which a crew is ended


def sweep() -> list[Path]:
    """Remove folders of keepers that were killed together with their commands; which they were."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout):
            if folder.stat().st_uid == os.getuid() and (folder / _LOCK).exists():
                with FileLock(folder / _LOCK, timeout=0):
                    shutil.rmtree(folder)
                removed.append(folder)
    return removed


def main(argv: list[str]) -> int:
    """Keep one crew; its exit code."""
    wish = json.loads(argv[0])
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *got: stopped.append(got[0]))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with FileLock(folder / _LOCK):
            print(json.dumps({"folder": str(folder)}), flush=True)
            return _keep(wish, argv[0], folder, stopped)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(wish: dict[str, float], text: str, folder: Path, stopped: list[int]) -> int:
    command = [sys.executable, "-m", "workers.attacks.crew", text, str(folder), str(os.getpid())]
    crew = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, process_group=0)
    try:
        end = time.monotonic() + wish["seconds"] + _LATE
        while crew.poll() is None and not stopped and time.monotonic() < end:
            if select.select([sys.stdin], [], [], 0.1)[0]:
                break  # nothing is ever written to it: its other end has closed
    finally:
        _end(crew)
    said = crew.stdout.read().decode() if crew.stdout else ""
    with suppress(OSError):  # nobody may be listening any more
        print(said.strip() or "{}", flush=True)
    return 0 if said.strip() else 1


def _end(crew: subprocess.Popen[bytes]) -> None:
    """The whole group of the crew: the polite way first."""
    with suppress(ProcessLookupError):
        if crew.poll() is None:
            crew.terminate()
            with suppress(subprocess.TimeoutExpired):
                crew.wait(_GRACE)
        os.killpg(crew.pid, signal.SIGKILL)
    crew.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
