"""What a symptom is about, by the name of its metric, and what it cost."""

from __future__ import annotations

import numpy as np
import pytest

from models.root_cause.evidence import cost
from models.root_cause.kinds import SILENCE, Kind, kind_of


@pytest.mark.parametrize(
    ("metric", "up", "kind"),
    [
        ("latency_p99_ms", True, Kind.LATENCY),
        ("http.request.duration", True, Kind.LATENCY),
        ("latency_ms", False, Kind.OTHER),
        ("errors_ratio", True, Kind.ERRORS),
        ("responses_5xx", True, Kind.ERRORS),
        ("request_errors", True, Kind.ERRORS),
        ("errors_ratio", False, Kind.OTHER),
        ("availability", False, Kind.ERRORS),
        ("success_rate", False, Kind.ERRORS),
        ("availability", True, Kind.OTHER),
        ("events_count", False, Kind.TRAFFIC),
        ("requests", True, Kind.TRAFFIC),
        ("cpu_ratio", True, Kind.OTHER),
        ("m07", False, Kind.OTHER),
        ("", True, Kind.OTHER),
        (SILENCE, False, Kind.SILENCE),
    ],
)
def test_kinds_are_read_from_the_name_and_the_direction(metric: str, up: bool, kind: Kind) -> None:
    assert kind_of(metric, up) is kind


def test_cost_is_what_lies_outside_of_the_expected_range_times_the_events() -> None:
    actual, low, high = np.array([30.0, 15.0, 90.0, np.nan]), np.array([10.0, 10, 99, 1]), np.array([20.0, 20, 100, 2])
    found = cost(actual, low, high, np.array([5.0, 5.0, 100.0, 1.0]))
    np.testing.assert_array_equal(found, [50.0, 0.0, 900.0, np.nan])
