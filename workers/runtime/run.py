"""A worker process: put stage, Kafka, Redis and probes together, run the cycle until a signal, end in good order."""

from __future__ import annotations

import gc
import os
import signal
import socket
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog

from workers.runtime import logs
from workers.runtime.clock import Deadline, SystemClock
from workers.runtime.errors import Fatal, Retriable, Stopping
from workers.runtime.health import Health
from workers.runtime.http import Probes
from workers.runtime.kafka_controls import KafkaControls
from workers.runtime.kafka_sink import DEFAULT_LIMIT, AtLeastOnceSink, KafkaSink
from workers.runtime.kafka_source import KafkaSource
from workers.runtime.kafka_topics import Topics
from workers.runtime.loop import Loop, LoopPolicy
from workers.runtime.metrics import Metrics
from workers.runtime.outside import Outside, OutsideSink
from workers.runtime.partitions import Partition
from workers.runtime.patience import patiently
from workers.runtime.ports import Sink
from workers.runtime.preflight import Use, check
from workers.runtime.redis_store import RedisStore
from workers.runtime.slots import Slot
from workers.runtime.stage import Controlled, Stage
from workers.settings import Settings

State = TypeVar("State")
log = structlog.get_logger(__name__)

OnIdle = Callable[[Partition[Any]], None]
ToOutside = Callable[[Metrics], Outside]


def run_worker(
    settings: Settings,
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    build: Callable[[Topics], Stage[Any]],
    on_idle: Callable[[Metrics], OnIdle] | None = None,
    outside: ToOutside | None = None,
) -> int:
    """Run one worker until SIGTERM or SIGINT; returns the process's exit code (0 good, 1 failed).

    `inputs` and `outputs` are topic names; those that are partitioned alike must have the same count (CONTRACTS §1),
    which `build` may check: it gets what can be asked about topics. With an `outside`, where outputs go that leave
    Kafka, delivery is at least once, whatever the settings say.
    """
    logs.configure(settings.log.level, settings.log.format, worker=name, pid=os.getpid())
    try:
        _Process(settings, name, inputs, outputs, build, on_idle, outside).run()
    except Fatal as error:
        log.error("stopped", reason=str(error), way_out=error.way_out)
        return 1
    except Exception:
        # Not one of the closed set: a bug. What was committed stands, nothing else was written; say all there is.
        log.exception("stopped by a bug; please report it")
        return 1
    return 0


def _collect_seldom() -> None:
    """Tell the cyclic collector what lives for good, and to look less often.

    Every message is an object that it watches: by default it would look 14 times in a batch of 10,000, now and then
    at everything that was ever imported and compiled, and never find anything.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


class _Process:
    def __init__(
        self,
        settings: Settings,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        build: Callable[[Topics], Stage[Any]],
        on_idle: Callable[[Metrics], OnIdle] | None,
        outside: ToOutside | None,
    ) -> None:
        self.settings, self.clock = settings, SystemClock()
        self.stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self.metrics = Metrics(name)
        client = client_config(settings, name)
        topics = Topics(client)
        dead = settings.topics.deadletter
        counts = self._patiently(lambda: topics.counts([*inputs, *outputs, dead]))
        stage = build(topics)
        self._patiently(lambda: self._preflight(topics, stage, inputs, [*outputs, dead]))
        limits = topics.limits([*outputs, dead])
        group = f"{settings.prefix}faultline-{name}"
        self.source = KafkaSource(
            {**client, **membership(settings, topics, group), "group.id": group},
            topics,
            patience=2 * settings.worker.commit_deadline_ms / 1000,
        )
        self.store = RedisStore(settings.redis.url, settings.prefix, settings.redis.timeout_ms / 1000)
        self._check_redis()
        self.slot = Slot(settings.prefix, name)
        self.sink: Sink
        if outside is None and settings.worker.delivery == "exactly-once":
            self.sink = KafkaSink(
                client, self.slot.transactional_id, settings.worker.transaction_timeout_ms, limits, self.clock
            )
        else:
            self.sink = AtLeastOnceSink(client, lambda: self.source.consumer, limits)
        reached = fail_at(settings.worker.fail_at)
        if outside is not None:
            self.sink = OutsideSink(outside(self.metrics), self.sink, reached)
        self._patiently(self.sink.reopen)  # ends at once what a killed predecessor of this slot left open
        deadline = Deadline.after(self.clock, settings.worker.commit_deadline_ms / 1000)
        self.controls = (
            KafkaControls({**client, "group.id": group}, settings.topics.control, deadline)
            if isinstance(stage, Controlled)
            else None
        )
        self.loop: Loop[Any] = Loop(
            stage,
            self.source,
            self.sink,
            self.store,
            loop_policy(settings, inputs, counts[dead], limits.get(dead, DEFAULT_LIMIT)),
            self.clock,
            self.metrics,
            reached=reached,
            controls=self.controls,
            on_idle=on_idle(self.metrics) if on_idle else None,
            stop_requested=lambda: self.stopping,
        )
        self.health = Health(self.loop, self.source, self.metrics, self.clock)

    def run(self) -> None:
        """Cycle until told to stop. Raises Fatal."""
        probes = Probes(
            self.settings.http.host,
            self.settings.http.port,
            self.metrics.registry,
            self.health.alive,
            self.health.ready,
        )
        log.info("started", http_port=probes.port, transactional_id=self.slot.transactional_id)
        _collect_seldom()
        try:
            self.loop.start()
            while not self.stopping:
                self.loop.cycle()
                self.health.observe()
            if isinstance(self.sink, OutsideSink):
                self.sink.finish()
            self.loop.drain()
            log.info("stopped", reason="signal")
        except Stopping as waited:
            log.info("stopped", reason=str(waited))
        finally:
            self._close(probes)

    def _close(self, probes: Probes) -> None:
        # Leaving the group first: others take over at once, and not after the session's time-out.
        self.source.close()
        self.sink.close()
        if self.controls:
            self.controls.close()
        self.store.close()
        self.slot.release()
        probes.close()

    def _stop(self, number: int, frame: object) -> None:
        self.stopping = True

    def _preflight(self, topics: Topics, stage: Stage[Any], inputs: Sequence[str], outputs: Sequence[str]) -> None:
        latest = [stage.state_topic] if stage.state_topic else []
        latest += [self.settings.topics.control] if isinstance(stage, Controlled) else []
        use = Use(inputs, outputs, latest)
        check(use, topics.rights(use.topics), topics.cleanup(use.topics))

    def _check_redis(self) -> None:
        try:
            self.store.check()
        except Retriable as error:
            log.warning("Redis cannot be reached; going on without checkpoints until it can", error=str(error))

    def _patiently(self, call: Callable[[], Any]) -> Any:
        return patiently(call, self.settings, self.clock, lambda: self.stopping)


def client_config(settings: Settings, name: str) -> dict[str, Any]:
    """The connection's options, common to all clients of a worker."""
    return {
        "bootstrap.servers": settings.kafka.bootstrap_servers,
        "client.id": f"faultline-{name}-{socket.gethostname()}-{uuid.uuid4().hex[:6]}",
        **settings.kafka.options,
    }


def membership(settings: Settings, topics: Topics, group: str) -> dict[str, Any]:
    """The options of the group protocol: KIP-848 where it can notice a dead member soon, else classic."""
    protocol, session = settings.kafka.group_protocol, settings.worker.session_timeout_ms
    if settings.worker.instance_id:
        protocol = "classic"
    short = protocol != "classic" and topics.short_sessions(group, session)
    if protocol == "consumer" or (protocol == "auto" and short):
        if not short:
            log.warning("a dead member will be noticed late: the broker's least session is above 10 s")
        return {"group.protocol": "consumer"}
    static = {"group.instance.id": settings.worker.instance_id} if settings.worker.instance_id else {}
    return {
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session,
        "heartbeat.interval.ms": max(200, session // 4),
        **static,
    }


def loop_policy(
    settings: Settings, inputs: Sequence[str], deadletter_partitions: int, deadletter_bytes: int
) -> LoopPolicy:
    worker = settings.worker
    return LoopPolicy(
        topics=tuple(inputs),
        deadletter_topic=settings.topics.deadletter,
        deadletter_partitions=deadletter_partitions,
        deadletter_bytes=deadletter_bytes,
        start=worker.start,
        poll_records=worker.poll_records,
        poll_timeout=worker.poll_timeout_ms / 1000,
        commit_interval=worker.commit_interval_ms / 1000,
        checkpoint_interval=worker.checkpoint_interval_ms / 1000,
        checkpoint_records=worker.checkpoint_records,
        max_replay=worker.max_replay_records,
        max_outputs=worker.max_transaction_outputs,
        max_bytes=worker.max_transaction_bytes,
        commit_deadline=worker.commit_deadline_ms / 1000,
        accept_cold_state=worker.accept_cold_state,
    )


def fail_at(where: str) -> Callable[[str], None]:
    """For kill tests: `step:count:signal` sends this process the signal when the step is reached the count-th time."""
    if not where:
        return lambda step: None
    try:
        wanted, count, name = where.split(":")
        left, number = int(count), signal.Signals[name]
    except (ValueError, KeyError) as error:
        raise Fatal(f"worker.fail_at is {where!r}", "Write step:count:signal, as in produced:3:SIGKILL") from error

    def reached(step: str) -> None:
        nonlocal left
        if step == wanted:
            left -= 1
            if left == 0:
                log.warning("failing on purpose", step=step, signal=name)
                os.kill(os.getpid(), number)

    return reached
