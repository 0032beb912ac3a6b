"""The intake stage's pure step alone on one core, by wire format: raw records to encoded, partitioned canonical events.

Each beside what its records take merely to be parsed by a library into Python objects, with nothing made of them:
orjson for JSON, protobuf for remote-write (whose library is there with the extra `dev`).
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import cramjam
import numpy as np
import orjson

from bench import machine
from bench.load import service_events
from schemas.events import encode_events
from tests.support.write_requests import request, series
from workers.intake.stage import IntakeStage, build
from workers.runtime.records import Records
from workers.runtime.stage import NO_WATERMARK
from workers.settings import load_settings

RECORDS = 50_000
ENTITIES = 500
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MS = int(START.timestamp() * 1000)


def main() -> None:
    """Medians of ROUNDS rounds (environment, 5) in processor time, and what part of the bare parser's rate that is."""
    rounds = int(os.environ.get("ROUNDS", "5"))
    print(machine.describe())
    plain, requests = _plain(), _requests()
    tables = list(service_events(ENTITIES, RECORDS, 300_000))
    canonical = [value for table in tables for value in encode_events(table, form="json")]
    for what, values, items, name, parse in (
        ("plain JSON by the field mapping", plain, RECORDS, "orjson.loads", orjson.loads),
        ("canonical JSON", canonical, RECORDS, "orjson.loads", orjson.loads),
        ("canonical Avro", [v for t in tables for v in encode_events(t)], RECORDS, "", None),
        ("remote-write points", requests, RECORDS, "protobuf", _write_request()),
    ):
        stage = build(load_settings({}), {"telemetry.events.v1": 12})
        ours = items / _seconds(partial(_step, stage, values), rounds)
        line = f"{what:32} {len(values[0]):6} bytes {ours:12,.0f}/s"
        if parse is not None:
            other = items / _seconds(partial(_parse, parse, values), rounds)
            line += f", {name} alone {other:12,.0f}/s: {ours / other:.2f} of it"
        print(line, flush=True)


def _plain() -> list[bytes]:
    """Requests as a gateway logs them."""
    random = Random(1)
    return [
        orjson.dumps(
            {
                "timestamp": (START + timedelta(milliseconds=n)).isoformat(timespec="milliseconds"),
                "service": f"service-{random.randrange(ENTITIES)}",
                "env": "prod",
                "level": random.choice(("INFO", "INFO", "WARN", "ERROR")),
                "method": random.choice(("GET", "POST")),
                "path": f"/api/v1/items/{random.randrange(40)}",
                "status": random.choice((200, 200, 404, 500)),
                "latency_ms": round(random.random() * 100, 3),
                "message": "handled request without trouble",
                "request_id": f"{random.getrandbits(64):016x}",
            }
        )
        for n in range(RECORDS)
    ]


def _requests() -> list[bytes]:
    """Posts of 500 series, as Prometheus sends them: 40 names, 50 targets."""
    random = Random(1)
    posts = []
    for number in range(RECORDS // 500):
        target = {"job": "node", "instance": f"web-{number % 50}:9100", "mode": "idle"}
        at = MS + number // 50 * 15_000
        parts = [
            series(
                {"__name__": f"node_{n % 40}_total", "device": f"sd{n // 40}", **target}, (random.random() * 1e6, at)
            )
            for n in range(500)
        ]
        posts.append(request(parts))
    return posts


def _write_request() -> Callable[[bytes], Any] | None:
    """A parser of protobuf's own library, written in C; None where it is not installed."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError:
        return None
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package="prometheus", syntax="proto3")

    def message(name: str, *fields: tuple[str, int, int, str]) -> None:
        made = file.message_type.add(name=name)
        for called, number, kind, of in fields:
            label = field.LABEL_REPEATED if of else field.LABEL_OPTIONAL
            made.field.add(name=called, number=number, type=kind, label=label, type_name=of or None)

    message("Label", ("name", 1, field.TYPE_STRING, ""), ("value", 2, field.TYPE_STRING, ""))
    message("Sample", ("value", 1, field.TYPE_DOUBLE, ""), ("timestamp", 2, field.TYPE_INT64, ""))
    message(
        "TimeSeries",
        ("labels", 1, field.TYPE_MESSAGE, ".prometheus.Label"),
        ("samples", 2, field.TYPE_MESSAGE, ".prometheus.Sample"),
    )
    message("WriteRequest", ("timeseries", 1, field.TYPE_MESSAGE, ".prometheus.TimeSeries"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    kind: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))

    def parse(value: bytes) -> list[tuple[dict[str, str], float, int]]:
        found = kind.FromString(bytes(cramjam.snappy.decompress_raw(value)))
        return [
            ({label.name: label.value for label in one.labels}, sample.value, sample.timestamp)
            for one in found.timeseries
            for sample in one.samples
        ]

    return parse


def _step(stage: IntakeStage, values: Sequence[bytes]) -> None:
    n = len(values)
    times = np.full(n, MS * 1_000, np.int64)
    records = Records("raw", 0, np.arange(n, dtype=np.int64), times, [None] * n, [*values], [None] * n)
    done = sum(chunk.counts["processed"] for chunk in stage.step(stage.start(0, NO_WATERMARK, []), records))
    assert done == n


def _parse(parse: Callable[[bytes], Any], values: Sequence[bytes]) -> None:
    for value in values:
        parse(value)


def _seconds(call: Callable[[], object], rounds: int) -> float:
    call()
    times = []
    for _ in range(rounds):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return statistics.median(times)


if __name__ == "__main__":
    main()
