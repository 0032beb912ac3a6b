"""`faultline worker notify`: one target in this process, or every target in a process of its own.

A target is a consumer group: one that is away, or whose process dies, loses nothing and delays nobody else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from workers.cli.extras import need
from workers.cli.failures import WrongUse
from workers.demo.children import die_with_parent
from workers.notify.building import Notifier
from workers.runtime import logs
from workers.runtime.clock import Deadline, SystemClock
from workers.runtime.errors import Fatal, Retriable
from workers.runtime.kafka_controls import KafkaControls
from workers.runtime.run import client_config
from workers.settings import Settings

log = structlog.get_logger(__name__)

_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_WELL_AFTER = 60.0
"""Seconds after which a process that ran has shown that it can, and one that dies then starts again soon."""


def wanted(settings: Settings, target: str) -> list[str]:
    """The targets to run: the one named, or all. Raises WrongUse."""
    targets = sorted(settings.notify.targets)
    if not targets:
        raise WrongUse("no targets are set: name some in FAULTLINE_NOTIFY__TARGETS (docs/notify.md shows how)")
    if target and target not in targets:
        raise WrongUse(f"there is no target {target!r}; set are: {', '.join(targets)}")
    return [target] if target else targets


def notifier(settings: Settings, target: str) -> Notifier:
    """The worker of one target. Raises `Failure` where what speaks HTTP is not installed."""
    need("faultline worker notify", "notify", "httpx2", "pybreaker")
    return Notifier(settings, target)


def follow(settings: Settings, one: Notifier) -> None:
    """Read the silence rules that there are. Raises Fatal."""
    name = f"notify-{one.target.name}"
    config = {**client_config(settings, name), "group.id": f"{settings.prefix}faultline-{name}"}
    deadline = Deadline.after(SystemClock(), settings.worker.commit_deadline_ms / 1000)
    try:
        one.follow(KafkaControls(config, settings.topics.control, deadline))
    except Retriable as error:
        raise Fatal(str(error), "Check the brokers, then restart: faultline config check") from error


@dataclass(slots=True)
class _Child:
    """The process of one target, when it was started, and how long to wait before it is started again."""

    target: str
    process: subprocess.Popen[bytes]
    started: float
    pause: float = _SHORTEST_PAUSE


def run_all(settings: Settings, targets: Sequence[str]) -> int:
    """A process a target until SIGTERM or SIGINT; one that dies is started again. The exit code: 0, or 1 where one
    did not end well."""
    logs.configure(settings.log.level, settings.log.format, worker="notify", pid=os.getpid())
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    children = [_Child(name, _start(settings, name, place), time.monotonic()) for place, name in enumerate(targets)]
    log.info("started", targets=list(targets), pids=[child.process.pid for child in children])
    while not stopping.wait(0.5):
        for place, child in enumerate(children):
            _restart(settings, child, place)
    return _end(children, settings.worker.commit_deadline_ms / 1000)


def _start(settings: Settings, target: str, place: int) -> subprocess.Popen[bytes]:
    """With a port of its own: the one that is set, and those that follow it."""
    port = settings.http.port and settings.http.port + place
    cold = ["--accept-cold-state"] if settings.worker.accept_cold_state else []
    return subprocess.Popen(
        [sys.executable, "-m", "workers.cli.main", "worker", "notify", "--target", target, *cold],
        env={**os.environ, "FAULTLINE_HTTP__PORT": str(port)},
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for this process, which ends the others in order
        preexec_fn=die_with_parent if sys.platform == "linux" else None,
    )


def _restart(settings: Settings, child: _Child, place: int) -> None:
    code = child.process.poll()
    if code is None:
        return
    if time.monotonic() - child.started > _WELL_AFTER:
        child.pause = _SHORTEST_PAUSE
    if time.monotonic() - child.started < child.pause:
        return
    log.error("a target's process ended, starting it again", target=child.target, code=code)
    child.pause = min(_LONGEST_PAUSE, child.pause * 2)
    child.process, child.started = _start(settings, child.target, place), time.monotonic()


def _end(children: Sequence[_Child], patience: float) -> int:
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    until = time.monotonic() + patience + 5
    for child in children:
        try:
            child.process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
    return int(any(child.process.returncode for child in children))
