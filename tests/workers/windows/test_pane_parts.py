"""The small parts of the pane engine: exact sums, cadence, coarse rings, seats in order, packed arrays, marks."""

from __future__ import annotations

import struct
from fractions import Fraction
from statistics import median_high
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.runtime.stage import RebuildPoint
from workers.windows import coarse, fixed
from workers.windows.marks import Marks
from workers.windows.packing import pack, unpack
from workers.windows.roster import Roster
from workers.windows.silence import UNKNOWN, cadence_of, is_silent, unwatched_excess
from workers.windows.state_log import split_key, state_key


@given(st.lists(st.floats(0, 1e12), max_size=50), st.integers(0, 1 << 30))
def test_sums_are_exact_in_any_order(numbers: list[float], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(numbers).tolist()
    sums = [np.zeros(2, np.int64) for _ in range(2)]
    for cells, order in zip(sums, (numbers, shuffled), strict=True):
        for number in order:
            fixed.add(cells, 0, number)
    assert (sums[0] == sums[1]).all()
    true = float(sum(map(Fraction, numbers)))
    assert fixed.value(sums[0], 0) == pytest.approx(true, rel=1e-15, abs=len(numbers) * 2.0**-52)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=20), st.lists(st.floats(0, 1e9), max_size=20))
def test_what_is_taken_away_leaves_no_residue(stay: list[float], leave: list[float]) -> None:
    window, pane, alone = (np.zeros(2, np.int64) for _ in range(3))
    for number in stay:
        fixed.add(window, 0, number)
        fixed.add(alone, 0, number)
    for number in leave:
        fixed.add(pane, 0, number)
    fixed.merge(window, pane, 0, 1)
    fixed.merge(window, pane, 0, -1)
    assert (window == alone).all()


@given(st.lists(st.integers(1, 400), min_size=1, max_size=9))
def test_the_cadence_is_the_median_gap_between_active_panes(gaps: list[int]) -> None:
    panes = np.cumsum([1000, *gaps]).astype(np.int64)
    assert cadence_of(panes, len(panes), 10, 0) == 10 * median_high(gaps)
    assert cadence_of(panes, len(panes), 10, 77) == 77


def test_an_entity_seen_once_has_no_cadence_and_is_never_silent() -> None:
    assert cadence_of(np.array([5], np.int64), 1, 10, 0) == UNKNOWN
    assert not is_silent(10**15, UNKNOWN)


def test_silence_begins_with_the_third_missed_cadence() -> None:
    assert not is_silent(2999, 1000)
    assert is_silent(3000, 1000)


def test_of_time_that_nobody_watched_one_cadence_counts() -> None:
    assert unwatched_excess(5000, 300) == 4700
    assert unwatched_excess(200, 300) == 0
    assert unwatched_excess(5000, UNKNOWN) == 5000


def cells(events: float, errors: float = 0.0, timed: float = 0.0, latency: float = 0.0) -> NDArray[np.float64]:
    return np.array([events, 1.0, errors, timed, latency])


def test_the_coarse_ring_holds_the_last_day_and_forgets_older_panes() -> None:
    ring = np.full((coarse.SLOTS, coarse.MEASURES), np.nan, np.float32)
    newest = -1
    for pane in range(1000, 1400):
        newest = coarse.enter(ring, newest, pane, cells(pane, errors=pane / 4, timed=1.0, latency=7.0))
    assert sorted(ring[:, 0].tolist()) == [float(p) for p in range(1400 - coarse.SLOTS, 1400)]
    newest = coarse.enter(ring, newest, 1400 + 50, cells(5.0))
    present = ring[~np.isnan(ring[:, 0])]
    assert len(present) == coarse.SLOTS - 51 + 1
    assert coarse.enter(ring, newest, 1449, cells(9.0)) == newest, "an older pane changes nothing"
    assert 9.0 not in ring[:, 0]
    newest = coarse.enter(ring, newest, 10_000, cells(3.0))
    assert np.nansum(ring[:, 0]) == 3.0


def test_the_past_is_summarised_once_there_is_an_hour_of_it() -> None:
    ring = np.full((coarse.SLOTS, coarse.MEASURES), np.nan, np.float32)
    base, newest = np.zeros(coarse.BASE), -1
    for pane in range(100, 105):
        newest = coarse.enter(ring, newest, pane, cells(pane - 99))
    assert not coarse.summarise(ring, newest, base)
    assert base[0] == 5
    assert np.isnan(base[1:]).all()
    newest = coarse.enter(ring, newest, 105, cells(6.0, timed=2.0, latency=30.0))
    coarse.summarise(ring, newest, base)
    assert base[1] == 3.5
    assert base[2] == pytest.approx(np.std([1, 2, 3, 4, 5, 6]))
    assert base[3] == base[4] == 0.0
    assert np.isnan(base[5]), "one latency is no past"


def test_an_entity_is_regular_when_nine_tenths_of_the_day_saw_it() -> None:
    ring = np.full((coarse.SLOTS, coarse.MEASURES), np.nan, np.float32)
    base, newest, answers = np.zeros(coarse.BASE), -1, []
    for pane in range(coarse.SLOTS):
        newest = coarse.enter(ring, newest, 5000 + pane, cells(1.0))
        answers.append(bool(coarse.summarise(ring, newest, base)))
    assert answers.index(True) == coarse.REGULAR - 1
    assert coarse.REGULAR / coarse.SLOTS >= 0.9 > (coarse.REGULAR - 1) / coarse.SLOTS


@given(st.sets(st.integers(0, coarse.SLOTS - 1)), st.integers(0, 1 << 40))
def test_a_logged_ring_reads_back(rows: set[int], offset: int) -> None:
    measures = np.full((coarse.SLOTS, coarse.MEASURES), np.nan, np.float32)
    for row in rows:
        measures[row] = row, 0.5, np.nan, 7.0
    ring = coarse.decode_ring(coarse.encode_ring(coarse.Ring(offset, 123, measures)))
    assert (ring.offset, ring.newest) == (offset, 123)
    assert np.array_equal(ring.measures, measures, equal_nan=True)


def test_a_ring_logged_before_panes_were_counted_says_nothing_of_them() -> None:
    three = np.array([[5.0, 0.1, 20.0], [6.0, 0.0, np.nan]], "<f4")
    head = struct.pack("<BqqH", 1, 77, 1008, 2)
    ring = coarse.decode_ring(head + bytes([3, 143]) + three.tobytes())
    assert (ring.offset, ring.newest) == (77, 1008)
    assert np.array_equal(ring.measures[[3, 143], :3], three, equal_nan=True)
    assert np.isnan(ring.measures[:, coarse.PANES]).all()
    assert coarse.occupied(ring.measures, ring.newest, 900, 1009, 10_000_000) == (0, 0, 0)


def test_bytes_that_are_no_ring_are_refused() -> None:
    whole = coarse.encode_ring(coarse.Ring(1, 2, np.zeros((coarse.SLOTS, coarse.MEASURES), np.float32)))
    for damaged in (b"", whole[:10], whole[:-1], b"\x07" + whole[1:]):
        with pytest.raises(ValueError, match="ring"):
            coarse.decode_ring(damaged)


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=4)), max_size=60))
def test_the_roster_keeps_seats_in_order_of_names(moves: list[tuple[bool, str]]) -> None:
    roster = Roster()
    roster.add_seats(80)
    present: set[str] = set()
    for joins, name in moves:
        if joins and name not in present:
            roster.join([name])
            present.add(name)
        elif not joins and name in present:
            roster.dismiss([roster.seat_of[name]])
            present.remove(name)
    assert [roster.names[seat] for seat in roster.order] == sorted(present, key=lambda n: n.encode())
    assert len(roster) == len(present)
    assert roster.free == 80 - len(present)


def test_many_may_join_at_once_among_those_who_are_there() -> None:
    roster = Roster()
    roster.add_seats(300)
    roster.join([f"n{i:03}" for i in range(0, 200, 2)])
    roster.join([f"n{i:03}" for i in range(199, 0, -2)])
    assert [roster.names[seat] for seat in roster.order] == [f"n{i:03}" for i in range(200)]


@given(st.lists(st.integers(-(1 << 62), 1 << 62)), st.lists(st.floats(width=32)), st.lists(st.text(max_size=5)))
def test_packed_columns_read_back(whole: list[int], real: list[float], names: list[str]) -> None:
    columns: dict[str, NDArray[Any]] = {
        "whole": np.array(whole, np.int64),
        "real": np.array(real, np.float32).reshape(-1, 1),
    }
    found, strings = unpack(pack(columns, names))
    assert strings == names
    for name, column in columns.items():
        assert found[name].dtype == column.dtype
        assert np.array_equal(found[name], column, equal_nan=name == "real")


def test_small_integers_are_packed_small() -> None:
    assert len(pack({"x": np.arange(100)})) < len(pack({"x": np.arange(100) + (1 << 40)})) - 500


def test_a_rebuild_begins_at_the_newest_mark_that_is_early_enough() -> None:
    marks = Marks()
    for offset in range(0, 5000, 10):
        marks.add(offset, offset * 1000)
    assert marks.newest_up_to(2555) == RebuildPoint(2550, 2_550_000)
    assert marks.newest_up_to(2549) is None, "anchors only move on, so earlier marks are gone"


def test_marks_stay_few_and_the_oldest_one_stays() -> None:
    marks = Marks()
    for offset in range(100_000):
        marks.add(offset, offset)
    assert len(marks.offsets) <= 512
    assert marks.offsets[0] == 0
    assert marks.offsets == sorted(marks.offsets)
    point = marks.newest_up_to(99_000)
    assert point is not None
    assert 98_000 <= point.offset <= 99_000


@given(st.text(), st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True))
def test_a_state_key_gives_entity_and_profile_back(entity: str, profile: str) -> None:
    assert split_key(state_key(entity, profile)) == (entity, profile)
