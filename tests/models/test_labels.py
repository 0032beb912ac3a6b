"""Labels: episodes, cuts in time that divide none, and whether there are enough."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.labels import ANOMALOUS, NORMAL, UNKNOWN, Labels, count, episodes, from_time, later_part, what_is_missing
from models.thresholds import Series


def _of(*entities: str) -> tuple[Labels, Series]:
    """Entities' labels as texts, a row a minute: `.` normal, `#` anomalous, `?` unknown; ordered by time."""
    codes = {".": NORMAL, "#": ANOMALOUS, "?": UNKNOWN}
    label = np.array([codes[sign] for text in entities for sign in text], np.int8)
    entity = np.repeat(np.arange(len(entities), dtype=np.int32), [len(text) for text in entities])
    time = np.concatenate([60_000_000 * np.arange(len(text), dtype=np.int64) for text in entities])
    order = np.argsort(time, kind="stable")
    return label[order], Series(entity[order], time[order])


def _shown(rows: NDArray[np.bool_], series: Series, entity: int = 0) -> str:
    return "".join("x" if one else "-" for one in rows[series.entity == entity].tolist())


def test_an_episode_is_an_unbroken_run_of_one_entity() -> None:
    label, series = _of(".##.#?#..", "##..")
    number = episodes(label, series)
    assert number[series.entity == 0].tolist() == [-1, 0, 0, -1, 1, -1, 2, -1, -1]
    assert number[series.entity == 1].tolist() == [3, 3, -1, -1]
    assert count(number) == 4


def test_a_cut_leaves_a_divided_episode_whole_with_what_lies_before() -> None:
    label, series = _of("....###...", ".....#####", "..........")
    after = from_time(label, series, 5 * 60_000_000)
    assert _shown(after, series, 0) == "-------xxx"
    assert _shown(after, series, 1) == "-----xxxxx"
    assert _shown(after, series, 2) == "-----xxxxx"


@given(
    texts=st.lists(st.text("..#?", min_size=20, max_size=20), min_size=1, max_size=3),
    cut=st.integers(0, 20),
)
@settings(max_examples=100, deadline=None)
def test_no_cut_divides_an_episode_and_later_cuts_leave_less(texts: list[str], cut: int) -> None:
    label, series = _of(*texts)
    number = episodes(label, series)
    after = from_time(label, series, cut * 60_000_000)
    assert not set(number[after & (number >= 0)].tolist()) & set(number[~after].tolist())
    assert (series.time[after] >= cut * 60_000_000).all()
    assert not (from_time(label, series, (cut + 1) * 60_000_000) & ~after).any()


def test_the_later_part_is_the_last_fifth_of_what_is_labelled() -> None:
    label, series = _of("?" * 50 + "." * 36 + "#.#.#." + "." * 8)
    assert int(later_part(label, series).sum()) == 14  # as much as holds three episodes
    label, series = _of("?" * 50 + "." * 80 + "#.#.#..#.#." + "." * 9)
    assert int(later_part(label, series).sum()) == 20
    label, series = _of("?" * 50)
    assert int(later_part(label, series).sum()) == 10


def test_what_is_missing_is_said_with_what_is_needed() -> None:
    enough = ("." * 20 + "####") * 5 + "." * 40 + ("." * 60 + "##") * 4
    assert what_is_missing(*_of(enough)) == ""
    label, series = _of("." * 500)
    assert what_is_missing(label, series).startswith(
        "0 anomalous episodes to learn from of 5, 0 anomalous rows to learn"
    )
    label, series = _of(enough.replace(".", "?"))
    assert "0 normal rows to learn from of 100" in what_is_missing(label, series)
    label, series = _of(("." * 40 + "#") * 6 + "." * 400)
    missing = "3 anomalous episodes to learn from of 5, 3 anomalous rows to learn from of 20"
    assert what_is_missing(label, series) == missing
    assert what_is_missing(*_of("?" * 10)).startswith("0 anomalous episodes to learn from of 5")


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_two_entities_are_divided_each_at_its_own_episode(share: float) -> None:
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(["#", "."], 200, p=[share, 1 - share])) for _ in range(2)]
    label, series = _of(*texts)
    later, number = later_part(label, series), episodes(label, series)
    assert later.any()
    assert not set(number[later & (number >= 0)].tolist()) & set(number[~later].tolist())
