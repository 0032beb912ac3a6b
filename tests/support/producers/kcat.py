"""Debian's kcat: lines of its input as records."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence

from tests.support.process import Missing


def binary() -> str:
    """The `kcat` on the path, or `Missing`."""
    found = shutil.which("kcat")
    if found:
        return found
    raise Missing("no kcat on the path. Install: apt-get install -y --no-install-recommends kcat")


def post(bootstrap_servers: str, topic: str, lines: Iterable[str], options: Sequence[str] = ()) -> int:
    """Send each line as a record without a key, and return how many there were; raises unless all are acknowledged."""
    text = [f"{line}\n" for line in lines]
    argv = [binary(), "-P", "-q", "-E", "-b", bootstrap_servers, "-t", topic, "-X", "linger.ms=5", *options]
    done = subprocess.run(argv, input="".join(text), capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"kcat ended with {done.returncode}: {done.stderr[-2000:]}")
    return len(text)
