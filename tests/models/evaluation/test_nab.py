"""Numenta's scoring, by the values of its paper and of its scorer's description, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.evaluation import nab
from models.evaluation.nab import PROFILES, Profile, probation, score_best, sigmoid
from models.evaluation.streams import Stream, spans
from tests.models.evaluation.streams import random_stream, stream

STANDARD, LOW_FP, LOW_FN = PROFILES.values()


def score_alarms(streams: list[Stream], profile: Profile) -> float:
    """Every flagged row is an alarm."""
    return nab.score_alarms(streams, [rows.flagged for rows in streams], profile)


QUIET = "." * 100  # a start longer than the probation of what follows


@pytest.mark.parametrize(
    ("position", "worth"),
    [(-1.0, 0.98661), (-0.5, 0.84828), (0.0, 0.0), (0.45, -0.8093), (1.0, -0.98661), (3.0, -1.0), (99.0, -1.0)],
)
def test_the_worth_of_an_alarm_is_the_scaled_sigmoid(position: float, worth: float) -> None:
    assert float(sigmoid(np.array(position))) == pytest.approx(worth, abs=5e-5)


def test_the_example_of_the_paper() -> None:
    """One alarm before the window, two in it, one 0.45 widths behind and one far away: 0.6909 in the paper's figure.

    There the first row of a window is worth 0.9999; the benchmark's own code, followed here, makes it 1.
    """
    truth = QUIET + "#" * 21 + "." * 100
    alarms = [50, 100, 110, 129, 215]
    rows = stream(truth, "".join("#" if i in alarms else "." for i in range(len(truth))))
    raw = 1.0 - 0.11 * (1.0 + 0.8093 + 1.0)
    assert raw == pytest.approx(0.6909, abs=1e-4)
    assert score_alarms([rows], STANDARD) == pytest.approx(100 * (raw + 1) / 2, abs=1e-3)


@pytest.mark.parametrize("profile", PROFILES.values())
def test_nothing_said_scores_0_and_the_first_row_of_every_window_100(profile: Profile) -> None:
    truth = QUIET + "####" + "." * 30 + "###" + "." * 30
    perfect = truth.replace("####", "#...").replace("###", "#..")
    assert score_alarms([stream(truth, "." * len(truth))], profile) == 0.0
    assert score_alarms([stream(truth, perfect)], profile) == pytest.approx(100.0)


def test_a_late_alarm_is_worth_less_and_only_the_first_of_a_window_counts() -> None:
    early, late, both = (
        score_alarms([stream(QUIET + "#" * 10 + "." * 20, QUIET + text + "." * 20)], STANDARD)
        for text in ("..#.......", ".......#..", "..#....#..")
    )
    assert 50 < late < early < 100
    assert both == early
    assert early == pytest.approx(50 + 50 * float(sigmoid(np.array(-0.8))) / 0.9866143)


def test_profiles_weigh_false_alarms_and_missed_windows() -> None:
    truth = QUIET + "####" + "." * 40
    false = [stream(truth, "." * 30 + "#" + "." * (len(truth) - 31))]  # and the window is missed
    assert score_alarms(false, STANDARD) == pytest.approx(100 * -0.11 / 2)
    assert score_alarms(false, LOW_FP) == pytest.approx(100 * -0.22 / 2)
    assert score_alarms(false, LOW_FN) == pytest.approx(100 * -0.11 / 3)


def test_what_happens_in_probation_is_not_judged() -> None:
    rows = stream("." * 80 + "##" + "." * 18, "#" * 15 + "." * 85)
    assert probation(rows) == 15
    assert score_alarms([rows], STANDARD) == 0.0
    late = stream("." * 80 + "##" + "." * 18, "#" * 16 + "." * 84)
    assert score_alarms([late], STANDARD) == pytest.approx(-5.5)
    assert probation(stream("." * 8_000, "." * 8_000)) == 750
    assert probation(stream("." * 85, "." * 85, learned=15)) == 0
    assert probation(stream("." * 90, "." * 90, learned=10)) == 5


def test_a_window_that_reaches_out_of_probation_can_be_found_there() -> None:
    truth = "." * 10 + "#" * 10 + "." * 80
    inside = [stream(truth, "." * 16 + "#" + "." * 83)]
    before = [stream(truth, "." * 12 + "#" + "." * 87)]
    assert score_alarms(before, STANDARD) == 0.0
    assert score_alarms(inside, STANDARD) == pytest.approx(50 + 50 * float(sigmoid(np.array(-0.4))) / 0.9866143)


def test_without_a_window_there_is_no_score_but_elsewhere_its_alarms_count() -> None:
    calm = stream("." * 100, "." * 50 + "#" + "." * 49)
    assert math.isnan(score_alarms([calm], STANDARD))
    found = stream(QUIET + "#..", QUIET + "#..")
    assert score_alarms([found, calm], STANDARD) == pytest.approx(100 - 5.5)


def _by_hand(streams: list[Stream], threshold: float, profile: Profile) -> float:
    """The score, window by window and row by row."""
    raw, windows = 0.0, 0
    for rows in streams:
        start = probation(rows)
        events = [(first, last) for first, last in spans(rows.label).tolist()]
        flagged = [i for i in range(start, len(rows)) if rows.score[i] >= threshold]
        for first, last in events:
            if last < start:
                continue
            windows += 1
            hits = [i for i in flagged if first <= i <= last]
            position = -(last - hits[0] + 1) / (last - first + 1) if hits else 0.0
            raw += profile.found * _worth(position) / _worth(-1.0) if hits else -profile.missed
        for i in flagged:
            if rows.label[i]:
                continue
            behind = [(i - last) / max(last - first, 1) for first, last in events if last < i]
            raw += profile.false_alarm * (_worth(behind[-1]) if behind and behind[-1] < 3.0 else -1.0)
    return 100 * (raw + profile.missed * windows) / (windows * (profile.found + profile.missed))


def _worth(position: float) -> float:
    return 2 / (1 + math.exp(5 * position)) - 1


@pytest.mark.parametrize("profile", PROFILES.values())
@pytest.mark.parametrize("decimals", [1, 8])
def test_the_best_threshold_is_the_best_of_all_counted_by_hand(profile: Profile, decimals: int) -> None:
    streams = [random_stream(seed, 120, decimals) for seed in (1, 2)]
    levels = sorted({value for rows in streams for value in rows.score.tolist()} | {math.inf})
    totals = {level: _by_hand(streams, level, profile) for level in levels}
    best = score_best(streams, profile)
    assert best.score == pytest.approx(max(totals.values()))
    assert totals[best.threshold] == pytest.approx(best.score)
    assert score_alarms(streams, profile) == pytest.approx(_by_hand(streams, 1.0, profile))
