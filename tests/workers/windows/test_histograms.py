"""Distributions become quantiles: of what came since the reading before, whatever the buckets did meanwhile."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.windows.telemetry import S, Sent, play
from workers.windows.engine import EnginePolicy
from workers.windows.histograms import quantile_name
from workers.windows.profiles import shipped
from workers.windows.quantiles import increase, quantile
from workers.windows.samples import SampleEngine

START = 1_700_000_400 * S
TOOK = "took_ms{route=/x}"


def p50s(*sent: tuple[int, list[float], list[int], str]) -> list[float]:
    """The medians of an entity's samples, by second, bounds, counts and type."""
    stream = [
        Sent(START + second * S, "a", {"x": 1.0}, distributions={TOOK: (bounds, counts, kind)})
        for second, bounds, counts, kind in sent
    ]
    engine = SampleEngine(shipped()["generic"], EnginePolicy(), 0)
    seen = play(engine, [*stream, Sent(START + 100_000 * S, "end", {"x": 0.0})])
    return [row.values.get("took_ms_p50{route=/x}", math.nan) for row in seen.of("a") if row.events]


def test_names_of_quantiles_keep_the_labels_at_the_end() -> None:
    assert quantile_name("took_ms{route=/x}", "p99") == "took_ms_p99{route=/x}"
    assert quantile_name("took_ms", "p50") == "took_ms_p50"


@pytest.mark.parametrize(
    ("bounds", "counts", "fraction", "expected"),
    [
        ([10.0, 20.0], [0, 10, 0], 0.5, 15.0),
        ([10.0, 20.0], [4, 0, 0], 0.5, 5.0),
        ([10.0, 20.0], [0, 0, 3], 0.5, 20.0),
        ([-10.0, 20.0], [4, 0, 0], 0.5, -10.0),
        ([10.0, 20.0, 40.0], [5, 3, 2, 0], 0.95, 35.0),
        ([10.0], [0, 0], 0.5, math.nan),
        ([], [7], 0.5, math.nan),
    ],
)
def test_a_quantile_lies_where_its_rank_does(
    bounds: list[float], counts: list[int], fraction: float, expected: float
) -> None:
    found = quantile(np.array(bounds), np.array(counts, np.int64), fraction)
    assert found == pytest.approx(expected, nan_ok=True)


def test_the_quantile_of_a_delta_is_that_of_its_own_counts() -> None:
    assert p50s((0, [10.0, 20.0], [0, 8, 0], "delta"), (10, [10.0, 20.0], [8, 0, 0], "delta")) == [15.0, 5.0]


def test_the_quantile_of_a_cumulative_one_is_that_of_what_came_since_the_reading_before() -> None:
    found = p50s(
        (0, [10.0, 20.0], [900, 0, 0], "counter"),
        (10, [10.0, 20.0], [900, 8, 0], "counter"),
        (20, [10.0, 20.0], [908, 8, 0], "counter"),
        (30, [10.0, 20.0], [908, 8, 0], "counter"),
    )
    assert found == pytest.approx([math.nan, 15.0, 5.0, math.nan], nan_ok=True)


def test_a_histogram_that_begins_anew_counts_from_nothing() -> None:
    found = p50s((0, [10.0, 20.0], [0, 900, 0], "counter"), (10, [10.0, 20.0], [4, 0, 0], "counter"))
    assert found[1:] == [5.0]


def test_buckets_that_were_merged_are_compared_with_the_finer_ones_before() -> None:
    fine, coarse = [1.0, 2.0, 4.0, 8.0], [1.0, 4.0, 16.0]
    found = p50s((0, fine, [0, 3, 5, 0, 0], "counter"), (10, coarse, [0, 8, 6, 0], "counter"))
    assert found[1:] == [10.0]


def test_other_bounds_that_do_not_fit_are_a_new_histogram() -> None:
    found = p50s((0, [10.0], [100, 0], "counter"), (10, [7.0, 20.0], [100, 0, 0], "counter"))
    assert found[1:] == [3.5]


buckets = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-20, 20), min_size=n, max_size=n, unique=True).map(sorted),
        st.lists(st.integers(0, 9), min_size=n + 1, max_size=n + 1),
        st.lists(st.integers(0, 9), min_size=n + 1, max_size=n + 1),
        st.lists(st.booleans(), min_size=n, max_size=n),
    )
)


@given(buckets)
def test_what_came_is_found_again_when_buckets_were_merged_meanwhile(
    made: tuple[list[int], list[int], list[int], list[bool]],
) -> None:
    bounds, before, came, kept = made
    after = np.array(before) + np.array(came)
    # A reset cannot be told from merged buckets in which less was counted; here nothing is less.
    groups = np.concatenate([[0], np.cumsum(kept)])
    merged_bounds = np.array([bound for bound, keep in zip(bounds, kept, strict=True) if keep], np.float64)
    merged = np.bincount(groups, after, minlength=len(merged_bounds) + 1).astype(np.int64)
    expected = np.bincount(groups, came, minlength=len(merged_bounds) + 1).astype(np.int64)
    found = increase(np.array(bounds, np.float64), np.array(before, np.int64), merged_bounds, merged)
    assert found.tolist() == expected.tolist()
