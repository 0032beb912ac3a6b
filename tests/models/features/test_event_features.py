"""Features of single events against a plain look back over all events before."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features.event import EVENT, RECENT, SLICE_US, SLICES, empty_event_history, event_features, observe
from models.features.event import Saying as Said

START = 1_700_000_000_000_000
SECOND = 1_000_000
MINUTE = 60 * SECOND

Told = tuple[int, float | None, float, float, bool]

events = st.lists(
    st.tuples(
        st.integers(-30, 60),  # seconds since the event before
        st.one_of(st.none(), st.floats(0, 1e4)),
        st.sampled_from([math.nan, 0.0, 1.0, 2.0, 3.0]),
        st.sampled_from([math.nan, 200.0, 404.0, 503.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


def expected(times: list[int], said: list[Said], i: int) -> dict[str, float]:
    number = times[i] // SLICE_US
    before = [j for j in range(i) if number - SLICES < times[j] // SLICE_US <= number]
    failed = [s.error or s.level >= 2 or s.status >= 500 for s in said]
    warned = [s.level == 1 and not f for s, f in zip(said, failed, strict=True)]
    timed = np.array([said[j].latency for j in before if not math.isnan(said[j].latency)])
    mean = timed.mean() if len(timed) else math.nan
    std = timed.std(ddof=1) if len(timed) > 1 else math.nan
    z = (said[i].latency - mean) / max(std, 0.05 * abs(mean), 1e-3) if len(timed) >= 5 else math.nan
    mine = [*before, i]
    return {
        "latency_ms": said[i].latency,
        "level": said[i].level,
        "status_class": math.floor(said[i].status / 100) if said[i].status == said[i].status else math.nan,
        "error": float(failed[i]),
        "latency_ms__z_5m": min(max(z, -100.0), 100.0) if z == z else math.nan,
        "latency_ms__mean_5m": mean,
        "latency_ms__std_5m": std,
        "latency_ms__min_5m": timed.min() if len(timed) else math.nan,
        "latency_ms__max_5m": timed.max() if len(timed) else math.nan,
        "events__count_5m": len(mine),
        "events__count_10s": sum(times[j] // SLICE_US == number for j in mine),
        "errors__count_5m": sum(failed[j] for j in mine),
        "errors__rate_5m": sum(failed[j] for j in mine) / len(mine),
        "warnings__rate_5m": sum(warned[j] for j in mine) / len(mine),
    }


@settings(max_examples=80, deadline=None)
@given(events)
def test_context_is_the_last_five_minutes_in_reading_order_up_to_a_minute_out_of_order(
    given_events: list[Told],
) -> None:
    times = (START + np.cumsum([e[0] for e in given_events]) * SECOND).tolist()
    newest = np.maximum.accumulate(times)
    said = [Said(math.nan if e[1] is None else e[1], e[2], e[3], e[4]) for e in given_events]
    got = event_features(
        np.array(times),
        np.array([s.latency for s in said]),
        np.array([s.level for s in said]),
        np.array([s.status for s in said]),
        np.array([s.error for s in said]),
    )
    for i, row in enumerate(got):
        if newest[i] - times[i] > MINUTE:
            continue
        have = dict(zip(EVENT.names, row.tolist(), strict=True))
        for name, want in expected(times, said, i).items():
            assert have[name] == pytest.approx(want, rel=1e-7, abs=1e-7, nan_ok=True), (i, name)


def number(times: list[int]) -> list[int]:
    h, out = empty_event_history(1), np.empty(len(EVENT.names))
    return [observe(h, 0, START + t, 0, Said(1.0, 0.0, 200.0, False), out) for t in times]


def test_events_of_one_time_are_numbered_in_reading_order() -> None:
    assert number([0, 0, 5, 0, 5, 7]) == [0, 1, 0, 2, 1, 0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3 * RECENT), min_size=1, max_size=500))
def test_time_and_place_name_an_event_even_when_more_times_than_are_remembered_are_mixed(times: list[int]) -> None:
    places = number(times)
    assert len(set(zip(times, places, strict=True))) == len(times)
