"""Expected ranges end where a metric ends: at nothing, at a whole, or where people have said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.possible import NONE, cut, possible
from models.scored import Reasons

NAMES = ("cpu_ratio", "queue_bytes", "room_celsius", "cpu_percent", "oven")


@pytest.mark.parametrize(
    ("metric", "limits"),
    [
        ("cpu_ratio", (0.0, 1.0)),
        ("errors_ratio_5m", (0.0, 1.0)),
        ("memory_percent", (0.0, 100.0)),
        ("network_receive_bytes", (0.0, math.inf)),
        ("load_1", (0.0, math.inf)),
        ("network_receive_bytes__per_packet", (0.0, math.inf)),
        ("latency_p50_ms_1m", (0.0, math.inf)),
        ("latency_change_ratio_5m", NONE),
        ("room_celsius", NONE),
        ("balance", NONE),
    ],
)
def test_a_name_tells_where_a_metric_ends(metric: str, limits: tuple[float, float]) -> None:
    assert possible(metric) == limits


def reasons(metric: int, actual: float, low: float, high: float) -> Reasons:
    one = Reasons.empty(1)
    one.metric[0, 0], one.actual[0, 0], one.low[0, 0], one.high[0, 0] = metric, actual, low, high
    return one


def after(one: Reasons) -> tuple[float, float]:
    cut(one, NAMES)
    assert np.isnan(one.low[0, 1:]).all(), "places without a reason stay as they are"
    return float(one.low[0, 0]), float(one.high[0, 0])


def test_a_share_is_expected_between_nothing_and_a_whole() -> None:
    assert after(reasons(0, 0.077, 0.73, 1.26)) == (0.73, 1.0)
    assert after(reasons(3, 7.7, -4.0, 126.0)) == (0.0, 100.0)


def test_no_negative_bytes_are_expected() -> None:
    assert after(reasons(1, 5e6, -3e5, 1e6)) == (0.0, 1e6)
    assert after(reasons(1, 5e6, -3e5, -1e5)) == (0.0, 0.0)


def test_what_has_no_end_by_its_name_keeps_its_range() -> None:
    assert after(reasons(2, -30.0, -5.0, 12.0)) == (-5.0, 12.0)


def test_a_metric_that_is_beyond_its_name_itself_keeps_its_range() -> None:
    assert after(reasons(0, 2.7, -0.2, 1.4)) == (-0.2, 1.4)


def test_what_people_say_counts_more_than_the_name() -> None:
    one = reasons(4, 300.0, -20.0, 500.0)
    cut(one, NAMES, lambda row, metric: (0.0, 400.0) if (row, metric) == (0, "oven") else None)
    assert (one.low[0, 0], one.high[0, 0]) == (0.0, 400.0)


def test_an_end_that_is_not_known_stays_so() -> None:
    one = reasons(0, 0.5, math.nan, 1.7)
    cut(one, NAMES)
    assert math.isnan(one.low[0, 0])
    assert one.high[0, 0] == 1.0
