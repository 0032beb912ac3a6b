"""Asking again while a broker may still be coming up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

from workers.runtime.clock import Clock, Deadline
from workers.runtime.errors import Fatal, Retriable
from workers.settings import Settings

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")

_PAUSE = 0.5


def patiently(call: Callable[[], Answer], settings: Settings, clock: Clock, stopping: Callable[[], bool]) -> Answer:
    """What `call` gives, asked again for as long as a commit may take. Raises Fatal when that is over, or on a stop."""
    deadline = Deadline.after(clock, settings.worker.commit_deadline_ms / 1000)
    while True:
        try:
            return call()
        except Retriable as error:
            if deadline.passed or stopping():
                raise Fatal(
                    f"no answer from Kafka at {settings.kafka.bootstrap_servers}: {error}",
                    "Check FAULTLINE_KAFKA__BOOTSTRAP_SERVERS: faultline config check",
                ) from error
            log.info("waiting for Kafka", reason=str(error))
            clock.sleep(_PAUSE)
