"""The windows stage's pure step alone: decoding, windows and encoding on one core, without Kafka and Redis.

usage: python -m bench.windows_step [--entities 500,20000,100000] [--events 3000000] [--per-second 300000] [--form avro]

Prints, per number of entities: events per second over all, the shares of decoding and of the rest, the time to close
one pane, memory per entity, and the same rate of a replay (few entities, a pane per batch).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench import machine
from bench.load import START, service_events
from schemas.events import decode_events, encode_events
from workers.runtime.records import Records
from workers.runtime.stage import NO_WATERMARK
from workers.settings import Settings, WindowsSettings
from workers.windows.panes import PaneEngine
from workers.windows.stage import WindowsStage, build

BATCH = 10_000


@dataclass(slots=True)
class Measured:
    """Seconds of one run over `events` events."""

    events: int
    total: float
    decoding: float
    closing: list[float]
    vectors: int
    memory: int
    known: int


def batches(entities: int, events: int, per_second: int, form: Literal["avro", "json"]) -> Iterator[Records]:
    """Records as a poll gives them, each received one second after its event."""
    offset = 0
    for table in service_events(entities, events, per_second, batch=BATCH):
        n = len(table)
        names = [table.entity.values[code].encode() for code in table.entity.codes.tolist()]
        values: list[bytes | None] = [*encode_events(table, form=form)]
        yield Records(
            "telemetry.events.v1",
            0,
            np.arange(offset, offset + n, dtype=np.int64),
            table.time + 1_000_000,
            [*names],
            values,
            [None] * n,
        )
        offset += n


def measure(
    stage: WindowsStage, entities: int, events: int, per_second: int, form: Literal["avro", "json"]
) -> Measured:
    """Step a fresh state through made-up events; making them is not counted."""
    state = stage.start(0, NO_WATERMARK, [])
    result = Measured(0, 0.0, 0.0, [], 0, 0, 0)
    for records in batches(entities, events, per_second, form):
        started = time.perf_counter()
        outputs = sum(len(chunk.outputs) for chunk in stage.step(state, records))
        stepped = time.perf_counter()
        decode_events(records.values, records.keys)
        result.decoding += time.perf_counter() - stepped
        result.total += stepped - started
        result.events += len(records)
        result.vectors += outputs
        if outputs >= entities // 2:
            result.closing.append(stepped - started)
    engine = state.engines[0]
    assert isinstance(engine, PaneEngine)
    result.memory, result.known = engine.memory(), len(engine)
    return result


def show(label: str, m: Measured) -> None:
    """One line for one run."""
    close = f"{1000 * float(np.median(m.closing)):8.1f} ms" if m.closing else "       –"
    print(
        f"{label:>28}  {m.events / m.total:>11,.0f} events/s  decoding {m.decoding / m.total:4.0%}  "
        f"batch closing a pane {close}  {m.vectors:>9,} vectors  {m.memory / max(1, m.known) / 1024:6.1f} KiB/entity"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entities", default="500,20000,100000", help="numbers of entities, comma-separated")
    parser.add_argument("--events", type=int, default=3_000_000, help="events of each run")
    parser.add_argument("--per-second", type=int, default=300_000, help="events in a second of event time")
    parser.add_argument("--form", choices=["avro", "json"], default="avro")
    args = parser.parse_args()
    stage = build(Settings(windows=WindowsSettings(enabled=["service"])))
    print(machine.describe())
    print(f"events from {np.datetime64(START, 'us')}, {args.per_second:,} a second of event time, batches of {BATCH:,}")
    measure(stage, 50, 50_000, 1_000, args.form)  # compiles
    for entities in (int(n) for n in args.entities.split(",")):
        show(f"{entities:,} entities", measure(stage, entities, args.events, args.per_second, args.form))
    show("replay, 10 entities", measure(stage, 10, args.events // 10, 1_000, args.form))


if __name__ == "__main__":
    main()
