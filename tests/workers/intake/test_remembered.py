"""What intake remembers of what comes from outside is bounded, in entries and in bytes, whatever comes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.write_requests import request, series
from tests.workers.intake.otlp_making import metrics_request
from tests.workers.intake.test_intake_stage import NOON, PLAIN, intake, step
from tests.workers.intake.test_machine_formats import TELEGRAF
from workers.intake.remembered import Remembered


@given(st.lists(st.text(max_size=12)))
def test_entries_and_sizes_stay_below_their_bounds(texts: list[str]) -> None:
    some: Remembered[str, int] = Remembered(entries=4, longest=10, most_bytes=30)
    for text in texts:
        if some.get(text) is None:
            some.keep(text, len(text), len(text))
        assert len(some) <= 4
        assert some.size <= 30
        assert some.get(text) == (len(text) if len(text) <= 10 else None)


def _mapped(long: str) -> Any:
    return {**PLAIN, "path": long}


def _remote_write(long: str) -> Any:
    return request([series({"__name__": "up", "job": "shop", "query": long}, (1.0, NOON // 1_000))])


def _point(long: str) -> Any:
    sent, metrics = metrics_request()
    metrics.add(name="up").gauge.data_points.add(as_int=1).attributes.add(key="query").value.string_value = long
    return sent.SerializeToString()


def _resource(long: str) -> Any:
    sent, metrics = metrics_request()
    metrics.add(name="up").gauge.data_points.add(as_int=1)
    sent.resource_metrics[0].resource.attributes.add(key="process.command").value.string_value = long
    return sent.SerializeToString()


def _key(long: str) -> Any:
    return {**PLAIN, long: 1}


def _suffixed(long: str) -> Any:
    return {**PLAIN, f"{long[:400]}_bytes": 1, f"{long[:-1]}_bytes": 1}


def _field(long: str) -> Any:
    return TELEGRAF | {"fields": {long: 1.5}}


@pytest.mark.parametrize("record", [_mapped, _remote_write, _point, _resource, _key, _suffixed, _field])
def test_long_texts_that_never_come_again_leave_nothing_in_memory(record: Callable[[str], Any]) -> None:
    rule = orjson.dumps([{"values": "secret"}]).decode()
    one = intake(INTAKE__REDACT=rule)
    step([record("warm" * 5_000)], one)

    def held() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    before = held()
    for n in range(100):
        step([record(f"{n}" * 15_000)], one)
    grown = held() - before
    tracemalloc.stop()
    assert grown < 500_000, "of some three million characters"
