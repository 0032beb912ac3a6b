"""Taking a stage through made-up records before the real ones come, so that every compiled loop is ready.

With a filled cache that takes some tenths of a second; without one a minute, in which a worker must not own partitions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import structlog

from workers.runtime.records import Output, Records
from workers.runtime.stage import NO_WATERMARK
from workers.settings import Settings

log = structlog.get_logger(__name__)

_MINUTE: Final = 60_000_000
_SPAN_MINUTES: Final = 45
"""Enough of a day for every window to fill, for entities to fall silent, and for the untrained rule to score."""

_BAD_WINDOWS: Final = 20

_LONG_SECONDS: Final = 5.0


def warmed(stage: Any, settings: Settings, topic: str, made_up: Callable[[str], list[Output]]) -> Any:
    """The stage; where the settings want it, after a run over made-up records, and with a word where that took long."""
    if not settings.worker.compile_first:
        return stage
    began = time.monotonic()
    run_through(stage, records_of(made_up(topic), topic))
    took = time.monotonic() - began
    if took > _LONG_SECONDS:
        log.info("compiled", seconds=round(took, 1), next_time="faultline compile does this at installation")
    return stage


def run_through(stage: Any, records: Records) -> list[Output]:
    """The outputs of a stage over all records, cut once so that a checkpoint and its way back run as well."""
    state = stage.start(0, NO_WATERMARK, [])
    outputs: list[Output] = []
    half = len(records) // 2
    for part in (records.slice(0, half), records.slice(half, len(records))):
        if len(part):
            for chunk in stage.step(state, part):
                outputs += chunk.outputs
        parts = {name: part.encode() for name, part in stage.parts(state).items()}
        if parts:
            state = stage.restore(0, parts)
    return outputs


def records_of(outputs: Sequence[Output], topic: str) -> Records:
    """Outputs to one topic as the records that the next worker reads."""
    mine = [output for output in outputs if output.topic == topic]
    stamps = np.full(len(mine), int(time.time() * 1e6), np.int64)
    return Records(
        topic,
        0,
        np.arange(len(mine), dtype=np.int64),
        stamps,
        [output.key for output in mine],
        [output.value for output in mine],
        [list(output.headers) for output in mine],
    )


def made_up_events(topic: str) -> list[Output]:
    """Canonical events of services, logs and hosts with anomalies among them, in JSON and in Avro, keyed by entity."""
    from schemas.events import encode_events

    written: list[Output] = []
    for number, events in enumerate(_events()):
        values = encode_events(events, form="json" if number % 2 else "avro")
        keys = [name.encode() for name in events.entity.values]
        written += [Output(topic, keys[code], v) for code, v in zip(events.entity.codes.tolist(), values, strict=True)]
    return written


def made_up_raw(topic: str) -> list[Output]:
    """Canonical events as above, and OTLP of all signals from the same time on."""
    from schemas.events import decode_events
    from workers.cli.warming_otlp import made_up_otlp

    events = made_up_events(topic)
    times = decode_events([events[-1].value])[0].time
    return [*events, *(Output(topic, None, value) for value in made_up_otlp(int(times[0])))]


def made_up_scores(topic: str) -> list[Output]:
    """Scores of two entities with enough anomalies in a row to open an incident by any sensible rule, then clean ones.

    Of one entity in JSON, of the other in Avro.
    """
    from schemas.records import encode

    written = []
    for number in range(2 * _BAD_WINDOWS):
        for entity, value in (
            ("cart", encode("Score", [_score("cart", number)], "json")[0]),
            ("pay", encode("Score", [_score("pay", number)], "avro")[0]),
        ):
            written.append(Output(topic, entity.encode(), value))
    return written


def _score(entity: str, number: int) -> dict[str, Any]:
    bad, end = number < _BAD_WINDOWS, (number + 1) * _MINUTE
    value = 2.5 if bad else 0.1
    return {
        "id": f"{entity}-{number}",
        "entity": entity,
        "profile": "service",
        "window_start": end - _MINUTE,
        "window_end": end,
        "event_count": 1,
        "silent": False,
        "retired": False,
        "regular": True,
        "anomaly_score": value,
        "is_anomaly": bad,
        "severity": "high" if bad else None,
        "confidence": 0.99,
        "model": {"id": "made-up", "version": "1", "role": "champion", "scope": "global", "period": "all"},
        "expected": [{"metric": "error_rate", "actual": value, "low": 0.0, "high": 1.0}],
        "contributions": [{"metric": "error_rate", "feature": "error_rate", "share": 1.0, "direction": "up"}],
        "note": "",
    }


def _events() -> Iterator[Any]:
    from workers.sources.synthetic.generate import generate
    from workers.sources.synthetic.plan import Plan
    from workers.sources.synthetic.truth import schedule

    for profile in ("service", "log", "host"):
        plan = Plan(profile, days=_SPAN_MINUTES / 1440, interval=_MINUTE, entities=2, anomaly_rate=0.2, volume=0.2)
        yield from generate(schedule(plan))
