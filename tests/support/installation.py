"""A whole installation on a real broker and a real Redis: its topics, and workers to start, kill and freeze."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self
from urllib.request import urlopen

from tests.support.broker import Broker, Record
from tests.support.process import Daemon
from tests.support.redis_server import RedisAt

FAULTLINE = Path(sys.executable).with_name("faultline")
STAGES = ("windows", "scoring", "incidents")


class Installation:
    """Topics under a namespace of its own; every worker's log stays until the end of the `with` block."""

    def __init__(
        self, kafka: Broker, redis: RedisAt, partitions: int = 2, settings: Mapping[str, str] | None = None
    ) -> None:
        self.kafka, self.redis, self.partitions = kafka, redis, partitions
        self.namespace = kafka.unique("it")
        self.settings = {
            "FAULTLINE_NAMESPACE": self.namespace,
            "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "FAULTLINE_REDIS__URL": redis.url,
            "FAULTLINE_TOPICS__PARTITIONS": str(partitions),
            "FAULTLINE_REGISTRY__URL": "",
            "FAULTLINE_LOG__FORMAT": "json",
            "FAULTLINE_WORKER__SESSION_TIMEOUT_MS": "2000",
            "FAULTLINE_WORKER__COMMIT_INTERVAL_MS": "50",
            **(settings or {}),
        }
        self.workers: list[Daemon] = []
        self._folder = tempfile.TemporaryDirectory(prefix="faultline-installation-")

    def __enter__(self) -> Self:
        created = self.run("topics", "create")
        if created.returncode:
            raise RuntimeError(f"topics create failed:\n{created.stdout}{created.stderr}")
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.stop()
        self._folder.cleanup()

    def topic(self, name: str) -> str:
        return f"{self.namespace}.{name}"

    def run(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """A `faultline` command with this installation's settings."""
        env = self._environment()
        return subprocess.run([FAULTLINE, *arguments], env=env, capture_output=True, text=True, timeout=timeout)

    def start(self, name: str, settings: Mapping[str, str] | None = None, arguments: Sequence[str] = ()) -> Daemon:
        """One more process of that worker; returns at once (`wait_ready` waits until it owns its partitions)."""
        log = Path(self._folder.name) / f"{name}-{len(self.workers)}.log"
        env = self._environment() | dict(settings or {})
        worker = Daemon([str(FAULTLINE), "worker", name, *arguments], log, env)
        self.workers.append(worker)
        return worker

    def start_all(self, names: Sequence[str] = STAGES) -> None:
        for worker in [self.start(name) for name in names]:
            worker.wait_ready(partial(has_logged, worker, "loaded"), 60)

    def values(self, topic: str) -> list[dict[str, object]]:
        """The JSON records of a topic, read committed; those without a key (ticks, progress) left out."""
        records = self.kafka.read(self.topic(topic))
        return [json.loads(record.value) for record in records if record.key is not None and record.value]

    def records(self, topic: str) -> list[Record]:
        return self.kafka.read(self.topic(topic))

    def metrics(self, worker: Daemon) -> dict[str, float]:
        """A worker's own metrics, `name{labels}` to value."""
        port = next(e["http_port"] for e in events_of(worker) if e["event"] == "started")
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(number) for name, _, number in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FAULTLINE_")}
        return kept | self.settings


def events_of(worker: Daemon) -> list[dict[str, object]]:
    """What a worker has logged so far."""
    lines = worker.log.read_text(errors="replace").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def has_logged(worker: Daemon, event: str) -> bool:
    return any(line["event"] == event for line in events_of(worker))


def eventually(check: Callable[[], bool], timeout: float, what: str) -> None:
    """Ask until it is so. For what another process does: there is nothing to step."""
    deadline = time.monotonic() + timeout
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {what}")
        time.sleep(0.2)
