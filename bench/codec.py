"""Decoding and encoding events and vectors on one core, beside fastavro and orjson, message by message."""

from __future__ import annotations

import io
import os
import statistics
import time
from collections.abc import Callable, Sequence

import fastavro
import orjson

from bench import machine
from bench.load import service_events
from schemas.catalog import record
from schemas.events import decode_events, encode_events
from schemas.framing import SINGLE_OBJECT_HEADER

ENTITIES = 500
BATCH = 10_000
BATCHES = 20


def main() -> None:
    """Medians of ROUNDS rounds (environment, 5), and how often ours fits into the other's."""
    rounds = int(os.environ.get("ROUNDS", "5"))
    print(machine.describe())
    tables = list(service_events(ENTITIES, BATCH * BATCHES, 300_000, batch=BATCH))
    avro = [encode_events(table) for table in tables]
    json = [encode_events(table, form="json") for table in tables]
    print(f"{len(avro[0][0])} bytes an event in Avro, {len(json[0][0])} in JSON; batches of {BATCH:,}")
    events = BATCH * BATCHES
    for what, ours, other, call in (
        ("decode Avro", lambda: [decode_events(batch) for batch in avro], "fastavro", lambda: _fastavro(avro)),
        ("decode JSON", lambda: [decode_events(batch) for batch in json], "orjson", lambda: _orjson(json)),
        ("encode Avro", lambda: [encode_events(table) for table in tables], "", None),
        ("encode JSON", lambda: [encode_events(table, form="json") for table in tables], "", None),
    ):
        mine = events / _seconds(ours, rounds)
        line = f"{what} {mine:12,.0f} events/s"
        if call is not None:
            theirs = events / _seconds(call, rounds)
            line += f", {other} into dicts {theirs:10,.0f}/s: {mine / theirs:.1f} times"
        print(line, flush=True)


def _seconds(call: Callable[[], object], rounds: int) -> float:
    call()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _fastavro(batches: Sequence[list[bytes]]) -> None:
    schema = fastavro.parse_schema(dict(record("Event").schema))
    for batch in batches:
        for value in batch:
            fastavro.schemaless_reader(io.BytesIO(value[SINGLE_OBJECT_HEADER:]), schema, None)


def _orjson(batches: Sequence[list[bytes]]) -> None:
    for batch in batches:
        for value in batch:
            orjson.loads(value)


if __name__ == "__main__":
    main()
