"""What an untrained judgement by running errors learns, and what it passes over."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from models.fallback import score_untrained
from models.features.frame import generic_features
from models.features.service import SERVICE
from models.untrained.running import (
    COUNT,
    ERRORS,
    LARGEST,
    MEAN,
    MEMORY,
    MOST_METRICS,
    NEEDED,
    VARIANCE,
    WIDTH,
    Columns,
    Usual,
    Verdicts,
    find_columns,
    learned,
)

Values = NDArray[np.float64]

PANE = np.array([60_000_000])


def _features(values: Values, metrics: tuple[str, ...] = ("load", "still")) -> tuple[tuple[str, ...], Values]:
    times = 60_000_000 * np.arange(1, len(values) + 1, dtype=np.int64)
    return generic_features(times, values, metrics)


def _columns(names: tuple[str, ...]) -> Columns:
    found = find_columns(names)
    assert found is not None
    return found


def _noise(rows: int) -> Values:
    return np.column_stack([50 + np.random.default_rng(0).normal(size=rows), np.full(rows, 7.0)])


def _known(columns: Columns, values: Values) -> Values:
    stats = np.zeros((len(columns.metrics), WIDTH))
    for sequence in columns.sequences(values):
        stats = learned(stats, sequence)
    return stats


def test_it_learns_mean_squares_of_the_steps_of_whole_sequences() -> None:
    names, values = _features(_noise(1_500))
    columns = _columns(names)
    stats = _known(columns, values)
    load = stats[columns.metrics.index("load")]
    assert load[COUNT] == 1_500 - 3, "the first three samples have no sequence yet"
    assert load[MEAN] == pytest.approx(50.0, abs=0.1)
    assert load[VARIANCE] == pytest.approx(1.0, rel=0.1)
    assert np.sqrt(load[ERRORS + 2 :]) == pytest.approx([np.sqrt(2.0)] * 3, rel=0.1)
    assert (stats[columns.metrics.index("still"), ERRORS:] < 1e-20).all()


def test_memory_has_an_end_and_metrics_have_too() -> None:
    names, values = _features(_noise(40))
    columns = _columns(names)
    stats = _known(columns, np.repeat(values[-1:], MEMORY + 10, axis=0))
    assert stats[:, COUNT].tolist() == [MEMORY] * 2
    many = tuple(f"m{number:03d}" for number in range(MOST_METRICS + 5))
    names, _ = _features(np.zeros((1, len(many))), many)
    assert _columns(names).metrics == many[:MOST_METRICS]


def test_services_are_not_judged_by_it() -> None:
    assert find_columns(SERVICE.names) is None


def test_values_beyond_squaring_teach_nothing_and_are_not_judged() -> None:
    names, values = _features(_noise(100))
    columns = _columns(names)
    stats = _known(columns, values)
    huge = values[-1:].copy()
    huge[:, names.index("load")] = 1e300
    assert learned(stats, columns.sequences(huge)[0])[0].tobytes() == stats[0].tobytes()
    said = Verdicts.of(columns, huge)
    said.judge(0, stats)
    assert said.score[0] == 0.0


def test_the_first_move_of_what_never_moved_is_noticed_and_no_alarm() -> None:
    moving = _noise(200)
    moving[150:, 1] += 1e6
    names, values = _features(moving)
    columns = _columns(names)
    said = Verdicts.of(columns, values)
    said.judge(150, _known(columns, values[:150]))
    assert 0.1 < said.score[150] < 1.0


def test_until_enough_is_known_the_other_rule_s_verdict_stands() -> None:
    names, values = _features(_noise(100))
    columns = _columns(names)
    said = Verdicts.of(columns, values[-1:])
    said.judge(0, _known(columns, values[: 3 + NEEDED - 1]))
    other = score_untrained(names, values[-1:], PANE)
    assert said.over(other, values[-1:]) is other
    said.judge(0, _known(columns, values[: 3 + NEEDED]))
    assert said.over(other, values[-1:]).note != other.note


@given(arrays.arrays(np.float64, (3, WIDTH), elements=st.floats(0, 1e12)), st.integers(0, 1 << 53))
def test_what_is_known_survives_storage(stats: Values, time: int) -> None:
    again = Usual.decode(Usual(time, time + 1, ("a", "ç\n", ""), stats).encode())
    assert (again.last, again.due, again.metrics) == (time, time + 1, ("a", "ç\n", ""))
    assert again.stats.tobytes() == stats.tobytes()


@given(arrays.arrays(np.float64, (2, 6), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_whatever_comes_scores_are_finite_and_nothing_is_unlearned(sequence: Values) -> None:
    names, values = _features(_noise(60))
    columns = _columns(names)
    stats = learned(_known(columns, values), sequence)
    assert np.isfinite(stats).all()
    said = Verdicts.of(columns, values[-1:])
    said.sequences[0] = sequence
    said.judge(0, stats)
    assert 0.0 <= said.score[0] <= LARGEST
    assert np.isfinite(said.parts).all()


def test_a_metric_that_comes_and_goes_keeps_what_is_known_of_the_others() -> None:
    stats = np.arange(2.0 * WIDTH).reshape(2, WIDTH)
    usual = Usual(1, 2, ("a", "c"), stats)
    assert usual.of(("a", "c")) is stats
    assert usual.of(("a", "b", "c")).tolist() == [stats[0].tolist(), [0.0] * WIDTH, stats[1].tolist()]
