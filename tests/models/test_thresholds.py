"""A threshold that an entity finds for itself: what raises it, what lowers it, and what must teach it nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.thresholds import (
    AT_ONCE,
    GAP_FROM,
    LEVELS,
    SIZE,
    Expectation,
    Series,
    Thresholds,
    episode_rates,
    noise_below,
    published,
)

START = 1_772_409_600_000_000
FIVE_MINUTES = 300_000_000
ALPHA, ROWS_A_DAY = 0.5 / 288, 288.0

Values = NDArray[np.float64]


def _thresholds(
    score: Values, every: int = FIVE_MINUTES, episodes: float = 0.0, expectation: Expectation | None = None
) -> Values:
    """The thresholds that one entity finds over these scores."""
    columns = Thresholds()
    given = expectation or Expectation.of(np.full(len(LEVELS), episodes), ALPHA, ROWS_A_DAY)
    columns.expect("model", given)
    n = len(score)
    time = START + every * np.arange(n, dtype=np.int64)
    return columns.step(np.zeros(n, np.int64), time, score, score, np.zeros(n, np.int64), np.ones(n, np.bool_))[0]


def _one_score(columns: Thresholds) -> Values:
    """The threshold for one unremarkable score of slot 0."""
    zero = np.zeros(1, np.int64)
    return columns.step(zero, zero, np.zeros(1), np.zeros(1), zero, np.ones(1, np.bool_))[0]


def _quiet(days: int) -> Values:
    return np.full(days * 288, 0.1)


def test_where_training_was_as_promised_the_first_threshold_is_near_the_boundary() -> None:
    episodes = 0.5 * ALPHA ** (LEVELS - 1.0)
    columns = Thresholds()
    columns.expect("model", Expectation.of(episodes, ALPHA, ROWS_A_DAY))
    found = _one_score(columns)
    assert 0.9 <= found[0] <= 1.1


def test_alarms_that_come_too_often_raise_it_and_quiet_weeks_lower_it() -> None:
    flapping = _quiet(14)
    flapping[::24] = 1.15  # every two hours
    assert _thresholds(flapping)[-1] == pytest.approx(1.2)
    assert _thresholds(_quiet(28))[-1] == LEVELS[0]


def test_what_lies_far_beyond_the_boundary_fires_until_it_comes_twice_as_often_as_alarms_may() -> None:
    weekly, twice_a_day = _quiet(28), _quiet(28)
    weekly[:: 7 * 288] = 1.6
    twice_a_day[::144] = 1.6
    assert _thresholds(weekly, episodes=2.0)[-1] <= AT_ONCE
    assert _thresholds(twice_a_day)[-1] > 1.6


def test_an_outage_of_two_days_and_a_slow_ramp_teach_nothing_but_that_they_happened() -> None:
    outage, ramp, blip = _quiet(21), _quiet(21), _quiet(21)
    outage[14 * 288 : 16 * 288] = 3.0
    ramp[14 * 288 : 19 * 288] = np.linspace(0.1, 3.0, 5 * 288)
    blip[14 * 288] = 3.0
    for long in (outage, ramp):
        found = _thresholds(long)
        assert found.max() <= 1.0
        assert (published(long, found)[long == 3.0] >= 3.0).all()
    assert _thresholds(outage)[-1] == _thresholds(blip)[-1]


def test_a_change_for_good_is_given_up_after_about_four_days_and_what_lies_beyond_it_still_counts() -> None:
    for height in (1.2, 3.0, 6.0, 10.0):
        shift = _quiet(30)
        shift[10 * 288 : 20 * 288] = height
        found = _thresholds(shift)
        seen = published(shift, found).reshape(-1, 288)
        assert (seen[10:13] >= 1.0).all(), "three days at least"
        assert (seen[15:20] < 0.8).all(), "clean, so that its incident resolves"
        if height < 8.0:  # beyond it there is no score that could be
            assert (published(np.full(288, 1.4 * height), found[18 * 288 : 19 * 288]) >= 1.0).all()
        assert found[-1] < 1.3, "back at the old level it is as it was"


def test_what_comes_by_day_and_goes_by_night_is_normal_when_it_fills_more_than_half_of_the_hours() -> None:
    days = _quiet(20).reshape(-1, 288)
    days[:, : 16 * 12] = 2.0
    assert _thresholds(days.ravel())[-1] > 2.0
    days[:, 6 * 12 :] = 0.1
    assert _thresholds(days.ravel(), episodes=0.0)[-1] <= 2.25


def test_it_holds_for_an_hour_and_follows_from_what_came_before_that_hour() -> None:
    score = _quiet(10)
    score[5 * 288 :] = np.random.default_rng(0).random(5 * 288) * 2
    found = _thresholds(score).reshape(-1, 12)
    assert (found == found[:, :1]).all()
    later = score.copy()
    later[7 * 288 + 6 :] = 9.0  # in the middle of an hour
    assert _thresholds(later)[: 7 * 288 + 12].tobytes() == found.ravel()[: 7 * 288 + 12].tobytes()


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 400), max_size=8))
def test_batches_company_and_a_way_through_bytes_do_not_show(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    n = 600
    slot, score = rng.integers(0, 3, n), rng.gamma(1.0, 0.6, n)
    mean = score * rng.random(n)
    time = START + np.cumsum(rng.integers(0, 3_600_000_000, n))
    learn, model = rng.random(n) < 0.9, np.zeros(n, np.int64)
    expected = Expectation.of(rng.random(len(LEVELS)), ALPHA, ROWS_A_DAY)
    whole, parts = Thresholds(1), Thresholds(8)
    whole.expect("m", expected)
    together, recalled, changed = whole.step(slot, time, score, mean, model, learn)
    found, start = [], 0
    for stop in (*sorted({c for c in np.cumsum(cuts).tolist() if c < n}), n):
        states = [parts.encode(one) for one in range(3)]
        parts = Thresholds(1)
        parts.expect("m", expected)
        for one, state in enumerate(states):
            parts.decode(one, state)
        piece = slice(start, stop)
        before = [parts.encode(one) for one in range(3)]
        got, *rest = parts.step(slot[piece], time[piece], score[piece], mean[piece], model[piece], learn[piece])
        back, moved = rest
        for one in range(3):
            assert (parts.encode(one) != before[one]) <= bool(moved[slot[piece] == one].any())
        found.append(np.stack((got, back)))
        assert moved.tolist() == changed[piece].tolist()
        start = stop
    assert np.concatenate(found, axis=1).tobytes() == np.stack((together, recalled)).tobytes()
    assert [whole.encode(one) for one in range(3)] == [parts.encode(one) for one in range(3)]
    alone = Thresholds()
    alone.expect("m", expected)
    mine = slot == 1
    zero = np.zeros(mine.sum(), np.int64)
    only, own, _ = alone.step(zero, time[mine], score[mine], mean[mine], model[mine], learn[mine])
    assert only.tobytes() == together[mine].tobytes()
    assert own.tobytes() == recalled[mine].tobytes()


@given(st.floats(0.5, 2.0), st.lists(st.floats(0, 10), min_size=2, max_size=20))
def test_the_published_score_is_one_at_the_threshold_and_never_falls_with_the_score(
    threshold: float, scores: list[float]
) -> None:
    score = np.sort(np.array([*scores, threshold]))
    out = published(score, np.full(len(score), threshold))
    assert (np.diff(out) >= 0).all()
    assert ((out >= 1.0) == (score >= threshold)).all()
    assert (out <= 10.0).all()


def test_episodes_are_counted_by_entity_and_an_hour_of_quiet_divides_them() -> None:
    score = np.array([1.0, 0.0, 1.0, 0.0, 2.0, 1.0])
    minutes = START + np.array([0, 30, 60, 90, 121, 122]) * 60_000_000
    once = episode_rates(score, Series(np.zeros(6, np.int32), minutes), rows_a_day=1.0)
    assert once[LEVELS == 1.0][0] * 6 == pytest.approx(2)
    assert once[LEVELS == 2.0][0] * 6 == pytest.approx(1)
    both = episode_rates(np.ones(6), Series(np.array([0, 1, 0, 1, 0, 1], np.int32), minutes), rows_a_day=1.0)
    assert both[LEVELS == 1.0][0] * 6 == pytest.approx(3), "the first one's second comes 61 minutes after"


def test_an_hour_of_training_counts_as_three_days_so_that_one_burst_silences_nothing() -> None:
    score = np.full(360, 0.1)
    score[200:203] = 3.0
    rates = episode_rates(score, Series(np.zeros(360, np.int32), START + np.arange(360) * 10_000_000), 8_640.0)
    assert rates.max() == pytest.approx(1 / 3)
    assert _thresholds(_quiet(1), episodes=float(rates.max()))[0] <= AT_ONCE


def test_thinned_rows_tell_the_rate_of_all_of_them() -> None:
    rng = np.random.default_rng(0)
    score, days = np.full(60 * 288, 0.1), 60
    score[rng.integers(0, len(score), 120)] = 1.5
    time = START + FIVE_MINUTES * np.arange(len(score))
    whole = episode_rates(score, Series(np.zeros(len(score), np.int32), time), 288.0)
    thin = episode_rates(score[::5], Series(np.zeros(len(score[::5]), np.int32), time[::5]), 288.0)
    assert whole[0] == pytest.approx(120 / days, rel=0.1)
    assert thin[0] == pytest.approx(whole[0], rel=0.4)


def _pending_after(time: NDArray[np.int64], first: float = 3.0) -> int:
    """How many episodes at the lowest level one entity has pending after scores of 3.0, the first one apart."""
    columns = Thresholds()
    columns.expect("m", Expectation.of(np.zeros(len(LEVELS)), ALPHA, ROWS_A_DAY))
    n = len(time)
    score = np.where(np.arange(n) == 0, first, 3.0)
    columns.step(np.zeros(n, np.int64), time, score, score, np.zeros(n, np.int64), np.ones(n, np.bool_))
    return columns.encode(0)[-len(LEVELS)]


def test_minutes_of_the_year_9999_are_one_episode() -> None:
    assert _pending_after(253_402_300_799_000_000 - 60_000_000 * np.arange(4, dtype=np.int64)[::-1]) == 1


def test_a_flood_of_late_episodes_counts_no_further_than_there_is_room() -> None:
    late = np.append(0, np.arange(-600, 0, dtype=np.int64) * 7_200_000_000)
    assert _pending_after(START + late[:101], first=0.1) == 100
    assert _pending_after(START + late, first=0.1) == 255


def test_the_expectations_of_many_models_are_kept_apart() -> None:
    columns = Thresholds()
    for number in range(100):
        often = np.full(len(LEVELS), 9.0 if number % 2 else 0.0)
        columns.expect(f"model {number}", Expectation.of(often, ALPHA, ROWS_A_DAY))
    slots = np.arange(100)
    model = np.array([columns.model_code(f"model {number}") for number in range(100)])
    zero, learn = np.zeros(100, np.int64), np.ones(100, np.bool_)
    found, _, _ = columns.step(slots, zero, np.zeros(100), np.zeros(100), model, learn)
    assert (found[1::2] > found[::2]).all()


def test_a_state_of_another_size_is_refused_and_a_cleared_slot_is_a_new_one() -> None:
    columns = Thresholds()
    with pytest.raises(ValueError, match=str(SIZE)):
        columns.decode(0, b"short")
    fresh = columns.encode(0)
    columns.expect("m", Expectation.of(np.zeros(len(LEVELS)), ALPHA, ROWS_A_DAY))
    _one_score(columns)
    assert columns.encode(0) != fresh
    columns.clear(0)
    assert columns.encode(0) == fresh


def _spread(count: int, low: float, high: float) -> Values:
    """Rates of episodes a day at each level, of so many whose peaks lie evenly between two levels."""
    return count * np.clip((high - LEVELS) / (high - low), 0.0, 1.0)


def test_where_training_had_many_anomalies_apart_from_its_noise_they_go_on_being_flagged() -> None:
    many = _quiet(30)
    many[::20] = 2.5  # fourteen a day
    model = Expectation.of(_spread(14, 2.0, 6.0), ALPHA, ROWS_A_DAY)
    assert model.gap == GAP_FROM
    assert _thresholds(many, expectation=model).max() <= model.gap
    assert _thresholds(many)[-1] > 2.5, "by default they are taken for false alarms"


def test_noise_that_comes_less_often_the_further_out_leaves_no_gap() -> None:
    for decay in (1.0, 2.0, 5.0):
        noise = 20.0 * np.exp(-decay * (LEVELS - 0.5))
        assert Expectation.of(noise, ALPHA, ROWS_A_DAY).gap == np.inf
    assert Expectation.of(_spread(1, 2.0, 6.0), ALPHA, ROWS_A_DAY).gap == np.inf, "only twice as often as it may"


def test_where_training_left_many_anomalies_out_they_go_on_being_flagged() -> None:
    many = _quiet(30)
    many[::20] = 1.2
    few, known = (Expectation.of(np.zeros(len(LEVELS)), ALPHA, ROWS_A_DAY, known) for known in (0.2, 10.0))
    assert (few.gap, known.gap) == (np.inf, GAP_FROM)
    assert _thresholds(many, expectation=few)[-1] > 1.2
    assert _thresholds(many, expectation=known).max() <= GAP_FROM


def test_a_change_for_good_is_given_up_above_a_gap_too() -> None:
    model = Expectation.of(_spread(14, 2.0, 6.0), ALPHA, ROWS_A_DAY)
    shift = _quiet(30)
    shift[10 * 288 : 24 * 288] = 3.0
    seen = published(shift, _thresholds(shift, expectation=model)).reshape(-1, 288)
    assert (seen[10:13] >= 1.0).all()
    assert (seen[21:24] < 1.0).all()


def test_noise_ends_where_it_comes_half_as_often_as_stated_but_not_above_what_fires_at_once() -> None:
    seldom = np.where(LEVELS < 1.1, 0.4, 0.2)
    assert noise_below(seldom, 0.5) == LEVELS[np.searchsorted(LEVELS, 1.1 - 1e-9)]
    assert noise_below(np.full(len(LEVELS), 9.0), 0.5) == AT_ONCE
    assert noise_below(np.zeros(len(LEVELS)), 0.5) == LEVELS[0]
