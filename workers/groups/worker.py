"""The worker process around the cycle: clients, probes, signals."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TypeVar

import structlog

from schemas.framing import Resolver, Writer
from workers.groups.core import Core
from workers.groups.cycle import Cycle, CyclePolicy
from workers.groups.events import EventWriter
from workers.groups.links import links_of
from workers.groups.only_one import OnlyOne
from workers.groups.policy import Policy
from workers.groups.position import Position
from workers.runtime import logs
from workers.runtime.clock import SystemClock
from workers.runtime.errors import Fatal
from workers.runtime.http import Probes
from workers.runtime.kafka_sink import DEFAULT_LIMIT, KafkaSink
from workers.runtime.kafka_source import KafkaSource
from workers.runtime.kafka_topics import Topics
from workers.runtime.metrics import Metrics
from workers.runtime.patience import patiently
from workers.runtime.preflight import Use, check
from workers.runtime.run import client_config, fail_at
from workers.runtime.stage import Logged
from workers.settings import Settings
from workers.topics import state_topic

NAME = "groups"
_STUCK_SECONDS = 120.0

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")


def run_groups(settings: Settings, framing: Writer | None = None, resolver: Resolver | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the process's exit code (0 good, 1 failed)."""
    logs.configure(settings.log.level, settings.log.format, worker=NAME, pid=os.getpid())
    try:
        _Process(settings, framing, resolver).run()
    except Fatal as error:
        log.error("stopped", reason=str(error), way_out=error.way_out)
        return 1
    except Exception:
        log.exception("stopped by a bug; please report it")
        return 1
    return 0


class _Process:
    def __init__(self, settings: Settings, framing: Writer | None, resolver: Resolver | None) -> None:
        self.settings, self.clock, self.stopping = settings, SystemClock(), False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self.metrics = Metrics(NAME)
        names, log_topic = settings.topics, state_topic(settings, NAME)
        links, policy = links_of(settings.groups), Policy.of(settings.groups)
        writer = EventWriter(policy, links, names.groups, settings.worker.anomaly_format, framing)
        client = client_config(settings, NAME)
        topics = Topics(client)
        written = [names.groups, log_topic, names.deadletter]
        counts = self._patiently(lambda: topics.counts([names.incidents, *written]))
        for name in (names.groups, log_topic):
            if counts[name] != 1:
                raise Fatal(f"{name} has {counts[name]} partitions", "It must have one, for one order of all groups")
        use = Use([names.incidents], written, [log_topic])
        self._patiently(lambda: check(use, topics.rights(use.topics), topics.cleanup(use.topics)))
        limits = self._patiently(lambda: topics.limits(written))
        group = f"{settings.prefix}faultline-{NAME}"
        self.source = KafkaSource({**client, "group.id": group}, topics)
        self.sink = OnlyOne(KafkaSink(client, group, settings.worker.transaction_timeout_ms, limits, self.clock))
        self._patiently(self.sink.reopen)  # from here on whoever ran before is ended

        def make(logged: list[Logged], positions: dict[int, tuple[int, Position]]) -> Core:
            return Core(policy, links, writer, log_topic, counts[names.incidents], logged, positions, resolver)

        self.cycle = Cycle(
            CyclePolicy(
                topic=names.incidents,
                partitions=counts[names.incidents],
                log_topic=log_topic,
                deadletter_topic=names.deadletter,
                deadletter_partitions=counts[names.deadletter],
                deadletter_bytes=limits.get(names.deadletter, DEFAULT_LIMIT),
                start=settings.worker.start,
                accept_cold_state=settings.worker.accept_cold_state,
                patience=settings.groups.patience_ms / 1000,
                commit_interval=settings.worker.commit_interval_ms / 1000,
                commit_deadline=settings.worker.commit_deadline_ms / 1000,
                poll_records=settings.worker.poll_records,
                poll_timeout=settings.worker.poll_timeout_ms / 1000,
            ),
            make,
            self.source,
            self.sink,
            self.clock,
            self.metrics,
            reached=fail_at(settings.worker.fail_at),
        )

    def run(self) -> None:
        """Raises Fatal."""
        http = self.settings.http
        probes = Probes(http.host, http.port, self.metrics.registry, self._alive, self._ready)
        log.info("started", http_port=probes.port)
        try:
            while not self.stopping:
                self.cycle.turn()
            if self.cycle.loaded:
                self.cycle.commit()
            log.info("stopped", reason="signal")
        finally:
            self.source.close()
            self.sink.close()
            probes.close()

    def _alive(self) -> str | None:
        standing = self.clock.monotonic() - self.cycle.last_turn
        return f"the cycle stands since {standing:.0f} s" if standing > _STUCK_SECONDS else None

    def _ready(self) -> str | None:
        return None if self.cycle.loaded else "what was committed is being loaded"

    def _stop(self, number: int, frame: object) -> None:
        self.stopping = True

    def _patiently(self, call: Callable[[], Answer]) -> Answer:
        return patiently(call, self.settings, self.clock, lambda: self.stopping)
