"""Writes the ticks that are due: the one thing the windows worker does beside its cycle."""

from __future__ import annotations

import socket
from collections.abc import Callable

import structlog
from confluent_kafka import KafkaError, Message, Producer

from workers.runtime.clock import Clock, SystemClock
from workers.runtime.errors import Retriable
from workers.runtime.kafka_lag import GroupLag
from workers.runtime.kafka_log import client_logger
from workers.runtime.metrics import Metrics
from workers.runtime.partitions import Partition
from workers.settings import Settings
from workers.windows.stage import WindowsState
from workers.windows.ticks import TickFacts, TickPolicy, due

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_MICROSECONDS = 1_000_000


class Ticking:
    """Called for each partition in every cycle; looks about once a second, and appends by a plain producer.

    Not transactional on purpose: a tick is input, for us as for everyone who reads the partition. Two owners, or one
    that is none any more, cannot move time twice: a tick counts only behind the record it names.
    """

    def __init__(self, settings: Settings, metrics: Metrics, clock: Clock | None = None) -> None:
        config = {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "client.id": f"faultline-ticks-{socket.gethostname()}",
            **settings.kafka.options,
        }
        self._policy = TickPolicy(idle_timeout=settings.windows.idle_timeout_ms * 1000)
        self._clock, self._metrics = clock or SystemClock(), metrics
        self._producer = Producer({**config, "enable.idempotence": True, "linger.ms": 0}, logger=client_logger())
        self._intake = _IntakeLag(GroupLag(config), settings, self._clock)
        self._looked: dict[tuple[str, int], float] = {}
        self._pending: dict[tuple[str, int], int] = {}

    def __call__(self, partition: Partition[WindowsState]) -> None:
        now = self._clock.monotonic()
        if self._policy.idle_timeout == 0 or now - self._looked.get(partition.tp, 0.0) < _LOOK_SECONDS:
            return
        self._looked[partition.tp] = now
        self._producer.poll(0)
        time = partition.state.time
        quiet = now - partition.last_record_at
        # The lag of intake costs a question to the broker: it is asked for only where all else says yes.
        if quiet * _MICROSECONDS < self._policy.idle_timeout or not partition.at_end or partition.replaying:
            return
        if self._pending.get(partition.tp) == time.last_offset:
            return  # written, and not read back yet
        wall = int(self._clock.time() * _MICROSECONDS)
        facts = TickFacts(
            last_offset=time.last_offset if time.last_offset >= 0 else None,
            last_was_tick=False,
            last_behind=time.behind,
            quiet_since=wall - int(quiet * _MICROSECONDS),
            at_end=True,
            intake_lag=self._intake(),
        )
        tick = due(self._policy, facts, wall)
        if tick is None:
            return
        self._pending[partition.tp] = time.last_offset
        self._producer.produce(
            partition.tp.topic,
            tick.encode(),
            partition=partition.tp.partition,
            headers=list(tick.headers),
            on_delivery=self._delivered(partition.tp),
        )
        self._producer.poll(0)

    def _delivered(self, place: tuple[str, int]) -> Callable[[KafkaError | None, Message], None]:
        def told(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self._metrics.ticked()
                return
            self._pending.pop(place, None)
            log.warning("tick not written: silence goes unseen until it is", partition=place[1], error=error.str())

        return told


class _IntakeLag:
    """The lag of intake's group on its raw topics, looked up at most every few seconds; 0 where there is no intake."""

    _EVERY_SECONDS = 5.0

    def __init__(self, lag: GroupLag, settings: Settings, clock: Clock) -> None:
        self._lag, self._clock = lag, clock
        self._group, self._topics = f"{settings.prefix}faultline-intake", settings.topics.raw
        self._known: int | None = None
        self._asked = float("-inf")

    def __call__(self) -> int | None:
        now = self._clock.monotonic()
        if now - self._asked >= self._EVERY_SECONDS:
            self._asked = now
            try:
                self._known = self._lag.behind(self._group, self._topics) or 0
            except Retriable as error:
                self._known = None
                log.info("no tick while intake's lag is not known", reason=str(error))
        return self._known
