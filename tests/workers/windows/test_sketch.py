"""The latency sketch: its error is bounded, and it adds up."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.windows import sketch

LATENCIES = st.one_of(st.floats(0.0101, 1_000_000), st.floats(1, 200), st.sampled_from([5.0, 5.0, 80.0]))


class Chain:
    """A sparse sketch with a pool of its own."""

    def __init__(self, chunks: int = 20_000) -> None:
        self.pool = np.full((chunks, sketch.CHUNK), 77, np.int32)
        self.free = np.arange(chunks, dtype=np.int32)
        self.n_free, self.head = chunks, sketch.NONE

    def add(self, value: float, weight: float = 1.0) -> None:
        bucket, units = sketch.bucket_of(value), sketch.units_of(weight)
        self.head, self.n_free = sketch.put(self.pool, self.free, self.n_free, self.head, bucket, units)

    def spread(self, dense: NDArray[np.int64], span: NDArray[np.int64], sign: int = 1) -> None:
        sketch.spread(self.pool, self.head, dense, span, sign)


def empty() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.zeros(sketch.BUCKETS, np.int64), np.array([sketch.BUCKETS, -1], np.int64)


def quantiles(chains: list[Chain], low: float, high: float) -> list[float]:
    dense, span = empty()
    for chain in chains:
        chain.spread(dense, span)
    out = np.zeros(3)
    sketch.quantiles(dense, span, low, high, out)
    return [float(x) for x in out]


def exact(values: list[float]) -> list[float]:
    ordered = sorted(values)
    return [ordered[math.floor(q * (len(ordered) - 1))] for q in (0.5, 0.95, 0.99)]


@given(st.lists(LATENCIES, min_size=1, max_size=400))
def test_quantiles_are_off_by_two_percent_at_most(values: list[float]) -> None:
    chain = Chain()
    for value in values:
        chain.add(value)
    got = quantiles([chain], min(values), max(values))
    for have, want in zip(got, exact(values), strict=True):
        assert abs(have - want) <= sketch.ALPHA * want * (1 + 1e-9)


@given(st.lists(st.lists(LATENCIES, max_size=60), min_size=2, max_size=6))
def test_the_sketch_of_a_window_is_the_sum_of_its_panes_and_loses_them_without_a_trace(
    panes: list[list[float]],
) -> None:
    chains = []
    for pane in panes:
        chains.append(Chain())
        for value in pane:
            chains[-1].add(value)
    all_but_first, span = empty()
    for chain in chains:
        chain.spread(all_but_first, span)
    chains[0].spread(all_but_first, span, -1)
    alone, _ = empty()
    for chain in chains[1:]:
        chain.spread(alone, span)
    assert (all_but_first == alone).all()


def test_a_heavy_event_counts_as_often_as_it_weighs() -> None:
    chain = Chain()
    chain.add(1.0, 90.0)
    chain.add(100.0, 10.0)
    got = quantiles([chain], 1.0, 100.0)
    assert abs(got[0] - 1.0) <= 0.02
    assert abs(got[1] - 100.0) <= 2.0


def test_a_weight_larger_than_an_entry_holds_is_spread_over_several() -> None:
    chain = Chain()
    chain.add(3.0, 2_000_000.0)
    chain.add(3.0, 2_000_000.0)
    dense, span = empty()
    chain.spread(dense, span)
    assert dense.sum() == 2 * 2_000_000 * sketch.WEIGHT_UNIT
    assert span[0] == span[1] == sketch.bucket_of(3.0)


def test_what_lies_outside_the_range_is_clamped_to_the_exact_bounds() -> None:
    chain = Chain()
    for value in (0.0, 0.001, 5_000_000.0):
        chain.add(value)
    assert quantiles([chain], 0.0, 5_000_000.0) == [0.0, 0.0, 0.0]
    only_high = Chain()
    only_high.add(5_000_000.0)
    assert quantiles([only_high], 5_000_000.0, 5_000_000.0) == [5_000_000.0] * 3


def test_released_chunks_are_free_again() -> None:
    chain = Chain(100)
    for value in range(1, 300):
        chain.add(float(value))
    assert chain.n_free < 90
    free = sketch.release(chain.pool, chain.free, chain.n_free, chain.head)
    assert free == 100
    assert sorted(chain.free[:free].tolist()) == list(range(100))


def test_an_empty_sketch_has_no_quantiles() -> None:
    assert all(math.isnan(x) for x in quantiles([], 0.0, 0.0))
