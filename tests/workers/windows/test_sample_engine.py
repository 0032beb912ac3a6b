"""The sample engine's rules, each on a stream made for it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features.frame import generic_features, host_features
from models.features.generic import generic_names
from models.features.host import HOST
from tests.workers.windows.telemetry import EngineStage, Row, S, Seen, Sent, play
from workers.runtime.stage import Logged
from workers.windows.engine import EnginePolicy
from workers.windows.profiles import Profile, ProfileError, shipped
from workers.windows.samples import SampleEngine

START = 1_700_000_400 * S  # a ten-minute pane begins
MINUTE, HOUR = 60 * S, 3600 * S

PROFILES = shipped()


def generic(**policy: Any) -> SampleEngine:
    return SampleEngine(PROFILES["generic"], replace(EnginePolicy(), **policy), 0)


def regular(entity: str, n: int, cadence: int, start: int = START, **metrics: float) -> list[Sent]:
    return [Sent(start + i * cadence, entity, metrics or {"x": float(i)}) for i in range(n)]


def together(*streams: list[Sent]) -> list[Sent]:
    return sorted((sent for stream in streams for sent in stream), key=lambda sent: sent.time)


def tick(time: int) -> Sent:
    return Sent(time)


def missed(seen: Seen, entity: str) -> list[Row]:
    return [row for row in seen.of(entity) if row.events == 0]


def watching(until: int, start: int = START, step: int = 10 * S) -> list[Sent]:
    """Another entity's samples, so that time passes and is watched."""
    return regular("clock", (until - start) // step + 1, step, start)


def test_a_sample_is_emitted_at_the_record_whose_watermark_reaches_it() -> None:
    seen = play(generic(), [Sent(START, "a", {"x": 1.0}), tick(START + 9 * S), tick(START + 10 * S)])
    assert [(row.at, row.entity, row.end) for row in seen.rows] == [(2, "a", START)]


def test_samples_leave_in_event_time_order_and_at_one_time_by_entity() -> None:
    times = [(3, "b"), (1, "b"), (3, "a"), (2, "a"), (1, "a")]
    seen = play(generic(), [*(Sent(START + t * S, e, {"x": 1.0}) for t, e in times), tick(START + 60 * S)])
    assert [((row.end - START) // S, row.entity) for row in seen.rows] == [
        (1, "a"), (1, "b"), (2, "a"), (3, "a"), (3, "b"),
    ]  # fmt: skip


def test_events_of_one_entity_and_time_are_one_sample_and_the_last_value_of_a_metric_wins() -> None:
    sent = [
        Sent(START, "a", {"cpu": 1.0, "memory": 5.0}),
        Sent(START, "a", {"disk": 2.0}),
        Sent(START, "a", {"cpu": 3.0}),
        tick(START + MINUTE),
    ]
    (row,) = play(generic(), sent).rows
    assert (row.values["cpu"], row.values["disk"], row.values["memory"]) == (3.0, 2.0, 5.0)
    assert row.events == 3
    assert tuple(row.values) == generic_names(["cpu", "disk", "memory"])


def test_an_entity_is_silent_from_the_third_missed_cadence_on_and_retired_after_an_hour() -> None:
    sent = together(regular("a", 20, 15 * S), watching(START + 2 * HOUR))
    last = START + 19 * 15 * S
    rows = missed(play(generic(), sent), "a")
    assert [(row.end - last) // (15 * S) for row in rows] == list(range(3, 241))
    assert all(row.silent and math.isnan(row.values["x"]) for row in rows)
    assert [row.retired for row in rows] == [False] * 237 + [True]
    assert rows[-1].end == last + HOUR


def test_two_missed_samples_are_no_silence() -> None:
    a = [sent for i, sent in enumerate(regular("a", 30, 10 * S)) if i not in (20, 21)]
    seen = play(generic(), together(a, watching(START + 290 * S)))
    assert missed(seen, "a") == []


def test_an_entity_that_returns_goes_on_where_it_was() -> None:
    a = [*regular("a", 20, 10 * S), *regular("a", 5, 10 * S, START + 600 * S)]
    rows = play(generic(), together(a, watching(START + 660 * S))).of("a")
    back = next(row for row in rows if row.end == START + 600 * S)
    assert not back.silent
    assert back.values["x__mean_5"] == np.mean([16, 17, 18, 19, 0])
    assert sum(row.silent for row in rows if row.end > START + 600 * S) == 0


def test_a_returning_entity_begins_anew_after_retirement() -> None:
    a = [*regular("a", 20, 10 * S), *regular("a", 2, 10 * S, START + 2 * HOUR)]
    rows = play(generic(), together(a, watching(START + 2 * HOUR + MINUTE))).of("a")
    back = next(row for row in rows if row.end == START + 2 * HOUR)
    assert back.values["x__mean_30"] == 0.0
    assert back.start == back.end


def test_data_every_five_minutes_is_never_silent_and_who_stops_is() -> None:
    a, b = regular("a", 60, 5 * MINUTE), regular("b", 30, 5 * MINUTE)
    seen = play(generic(), together(a, b), gap=60 * S)
    assert missed(seen, "a") == []
    silent = missed(seen, "b")
    assert silent[0].end == START + 29 * 5 * MINUTE + 15 * MINUTE
    assert silent[-1].retired


@pytest.mark.parametrize("gap", [40 * MINUTE, 9 * HOUR])
def test_a_gap_that_nobody_watched_makes_nobody_silent(gap: int) -> None:
    last = START + 39 * 5 * MINUTE
    a = [*regular("a", 40, 5 * MINUTE), *regular("a", 40, 5 * MINUTE, last + gap)]
    b = [*regular("b", 40, 5 * MINUTE), *regular("b", 40, 5 * MINUTE, last + gap)]
    for sent in (a, together(a, b)):
        rows = [row for row in play(generic(), sent).rows if row.events == 0]
        assert not any(row.silent for row in rows)
        assert [(row.end, row.retired) for row in rows] == [(last + HOUR, True)] * (
            len(sent) // 80 if gap > HOUR else 0
        )


def test_silence_goes_on_after_a_gap_that_nobody_watched_until_retirement() -> None:
    a = regular("a", 40, 10 * S)
    clock = [*watching(START + 500 * S), *watching(START + 2 * HOUR, START + HOUR // 2)]
    rows = missed(play(generic(), together(a, clock)), "a")
    before = [row for row in rows if row.end <= START + 500 * S]
    after = [row for row in rows if row.end >= START + HOUR // 2]
    assert before
    assert len(before) + len(after) == len(rows)
    assert (after[-1].end, after[-1].retired) == (START + 390 * S + HOUR, True)


def test_who_stopped_before_a_gap_of_months_is_not_silent_after_it() -> None:
    a = regular("a", 40, 10 * S)
    clock = [*watching(START + 500 * S), *watching(START + 1601 * HOUR, START + 1600 * HOUR)]
    rows = missed(play(generic(), together(a, clock)), "a")
    assert (rows[-1].end, rows[-1].retired) == (START + 390 * S + HOUR, True)
    assert all(row.end <= START + 500 * S for row in rows[:-1])


@pytest.mark.parametrize("cadence", [25 * MINUTE, HOUR, 3 * HOUR])
def test_a_slow_entity_is_neither_silent_nor_retired_between_its_samples(cadence: int) -> None:
    sent = together(regular("slow", 12, cadence), watching(START + 12 * cadence, step=MINUTE))
    seen = play(generic(), sent)
    learned = [row for row in seen.of("slow") if row.end > START + 3 * cadence]
    assert all(row.events == 1 for row in learned)
    assert learned[-1].values["x__mean_5"] == np.mean([7, 8, 9, 10, 11])


def test_a_slow_entity_that_stops_is_silent_after_three_of_its_cadences_and_retired_after_six() -> None:
    sent = together(regular("slow", 10, 40 * MINUTE), watching(START + 20 * HOUR, step=MINUTE))
    last = START + 9 * 40 * MINUTE
    rows = [row for row in missed(play(generic(), sent), "slow") if row.end > last]
    assert [(row.end - last) // MINUTE for row in rows] == [120, 160, 200, 240]
    assert [row.silent for row in rows] == [True] * 4
    assert [row.retired for row in rows] == [False, False, False, True]


def test_samples_at_random_are_missed_when_a_gap_is_longer_than_chance_makes_it() -> None:
    gaps = np.random.default_rng(4).exponential(30, 2000)
    times = (START + np.cumsum(gaps) * S).astype(np.int64)
    sent = together([Sent(int(t), "jobs", {"x": 1.0}) for t in times], watching(int(times[-1]) + 2 * HOUR, step=5 * S))
    rows = missed(play(generic(), sent), "jobs")
    assert 10 * 30 < (rows[0].end - times[-1]) / S < 30 * 30, "before, a sample in eight is three cadences away"
    assert all(row.silent for row in rows)
    assert rows[-1].retired


@pytest.mark.parametrize("lost", [0.1, 0.25])
def test_samples_of_which_some_are_lost_still_come_by_the_clock(lost: float) -> None:
    kept = np.flatnonzero(np.random.default_rng(5).random(400) >= lost)
    sent = together([Sent(START + int(i) * 10 * S, "a", {"x": 1.0}) for i in kept], watching(START + HOUR + 4000 * S))
    last = START + int(kept[-1]) * 10 * S
    assert next(row.end for row in missed(play(generic(), sent), "a") if row.end > last) == last + 30 * S


def test_an_entity_of_unknown_cadence_is_retired_but_never_called_silent() -> None:
    seen = play(generic(), together(regular("once", 2, 10 * S), watching(START + 2 * HOUR)))
    (row,) = missed(seen, "once")
    assert (row.retired, row.silent, row.end) == (True, False, START + 10 * S + HOUR)


def test_a_declared_cadence_counts_from_the_first_sample() -> None:
    sent = [Sent(START, "a", {"x": 1.0}, {"interval_ms": "20000"}), *watching(START + 100 * S)]
    rows = missed(play(generic(), sent), "a")
    assert [row.end - START for row in rows] == [60 * S, 80 * S]
    profile = Profile.model_validate({**PROFILES["generic"].model_dump(), "cadence": 30 * S})
    rows = missed(play(SampleEngine(profile, EnginePolicy(), 0), [sent[0], *sent[1:]]), "a")
    assert [row.end - START for row in rows] == [60 * S, 80 * S]
    undeclared = [Sent(START, "a", {"x": 1.0}), *sent[1:]]
    assert [row.end - START for row in missed(play(SampleEngine(profile, EnginePolicy(), 0), undeclared), "a")] == [
        90 * S
    ]


def test_signs_of_life_keep_an_entity_from_being_silent() -> None:
    wrong = [Sent(START + i * 10 * S + 9 * HOUR, "a", {"x": 1.0}, reference=START + i * 10 * S, skewed=True)
             for i in range(20, 40)]  # fmt: skip
    clock = watching(START + 500 * S)
    sent = sorted([*regular("a", 20, 10 * S), *clock, *wrong], key=lambda one: one.moves_to)
    rows = missed(play(generic(), sent), "a")
    assert rows[0].skewed >= 1
    assert [row.end for row in rows if row.silent] == list(range(START + 410 * S, START + 491 * S, 10 * S))


def test_a_late_sample_changes_later_windows_only_and_is_counted() -> None:
    a = regular("a", 6, 10 * S)
    late = Sent(START + 15 * S, "a", {"x": 100.0})
    sent = [*a, tick(START + 50 * S + 10 * S), late, Sent(START + 60 * S, "a", {"x": 6.0}), tick(START + 90 * S)]
    seen = play(generic(), sent)
    assert [row.end for row in seen.of("a") if row.events] == [START + i * 10 * S for i in range(7)]
    last = [row for row in seen.of("a") if row.events][-1]
    assert last.values["x__max_5"] == 6.0
    assert last.values["x__max_10"] == 100.0
    assert last.late == 1
    assert seen.counts["late_in_closed_pane"] == 1


def test_a_late_event_at_the_time_of_a_sample_adds_what_this_lacks() -> None:
    a = regular("a", 6, 10 * S)
    late = Sent(START + 20 * S, "a", {"x": 100.0, "y": 7.0})
    sent = [*a, tick(START + MINUTE), late, Sent(START + 60 * S, "a", {"x": 6.0}), tick(START + 90 * S)]
    last = [row for row in play(generic(), sent).of("a") if row.events][-1]
    assert last.values["x__max_10"] == 6.0
    assert (last.values["y__max_10"], last.values["y__max_1h"]) == (7.0, 7.0)


def test_what_is_more_than_an_hour_late_is_dropped_and_counted() -> None:
    sent = [*watching(START + 2 * HOUR), Sent(START + 30 * MINUTE, "a", {"x": 1.0}), tick(START + 3 * HOUR)]
    seen = play(generic(), sent)
    assert seen.of("a") == []
    assert seen.counts["dropped_late"] == 1


def test_counters_are_increases_in_a_vector() -> None:
    readings = [100.0, 130.0, 4.0, 10.0]
    sent = [Sent(START + i * 10 * S, "a", {"n_total": (r, "counter")}) for i, r in enumerate(readings)]
    rows = play(generic(), [*sent, tick(START + MINUTE)]).rows
    assert [row.values.get("n_total") for row in rows] == [None, 30.0, 4.0, 6.0]


def test_metrics_beyond_the_limit_are_left_out_and_counted() -> None:
    sent = [Sent(START + i * 10 * S, "a", {f"m{j}": 1.0 for j in range(10)}) for i in range(3)]
    seen = play(generic(max_metrics=4), [*sent, tick(START + MINUTE)])
    assert {name for name in seen.rows[-1].values if name.startswith("m") and "__" not in name} == {
        "m0", "m1", "m2", "m3",
    }  # fmt: skip
    assert seen.counts["metrics_refused"] == 18
    assert seen.counts["in_panes"] == 3


def test_ten_thousand_metric_names_take_no_more_room_than_the_limit() -> None:
    sent = [Sent(START + i * S, "a", {f"m{i * 100 + j}": 1.0 for j in range(100)}) for i in range(100)]
    engine = generic()
    seen = play(engine, [*sent, tick(START + 5 * MINUTE)], cut=10)
    assert max(len(row.values) for row in seen.rows) <= len(generic_names([str(i) for i in range(256)]))
    assert seen.counts["metrics_refused"] == 10_000 - 256


def test_a_metric_is_shown_for_an_hour_and_thirty_samples_after_it_was_last_sent() -> None:
    sent = [Sent(START + i * MINUTE, "a", {"x": 1.0, **({"rare": 2.0} if i == 0 else {})}) for i in range(90)]
    rows = play(generic(), [*sent, tick(START + 2 * HOUR)]).of("a")
    assert ["rare" in row.values for row in rows if row.events] == [True] * 60 + [False] * 30


def test_at_the_cap_the_entity_that_sent_least_recently_makes_room() -> None:
    sent = [Sent(START + i * 20 * S, e, {"x": 1.0}) for i, e in enumerate("abcbdab")]
    seen = play(generic(max_entities=3), [*sent, tick(START + 150 * S)])
    changes = [(row.entity, row.values["x__delta"]) for row in seen.rows]
    assert [(e, None if math.isnan(x) else x) for e, x in changes] == [
        ("a", None), ("b", None), ("c", None), ("b", 0.0), ("d", None), ("a", None), ("b", 0.0),
    ]  # fmt: skip


def test_samples_that_wait_when_their_entity_makes_room_are_counted() -> None:
    sent = [Sent(START + i * S, e, {"x": 1.0}) for i, e in enumerate("aabc")]
    for cut in (1, 4):
        seen = play(generic(max_entities=2), [*sent, tick(START + MINUTE)], cut)
        assert [row.entity for row in seen.rows] == ["b", "c"]
        assert (seen.counts["in_panes"], seen.counts["evicted_waiting"]) == (4, 2)


def test_a_ten_minute_pane_is_logged_once_when_it_closes() -> None:
    seen = play(generic(), [*regular("a", 61, 10 * S), tick(START + 1201 * S + 10 * S)])
    told = [orjson.loads(output.value or b"") for output in seen.logged]
    panes = [(one["pane"] * 600 * S, one["means"]) for one in told if "pane" in one]
    assert panes == [(START, {"x": float(np.mean(range(60)))}), (START + 600 * S, {"x": 60.0})]
    assert all(output.topic == EnginePolicy().state_topic for output in seen.logged)


def test_an_entity_seen_in_nine_tenths_of_a_day_is_regular() -> None:
    rows = play(generic(), [*regular("a", 320, 5 * MINUTE), tick(START + 30 * HOUR)]).of("a")
    first = next(row for row in rows if row.regular)
    assert first.end == START + 130 * 10 * MINUTE
    assert all(row.regular for row in rows if row.events and row.end > first.end)


def test_a_watermark_that_jumps_over_thousands_of_missed_samples_gives_them_in_order() -> None:
    sent = [s for i in range(40) for s in regular(f"e{i:02d}", 20, S)]
    sent = [*sorted(sent, key=lambda one: one.time), tick(START + 2 * HOUR)]
    seen = play(generic(), sent, gap=10 * HOUR)
    rows = [(row.at, row.end, row.entity) for row in seen.rows]
    assert rows == sorted(rows)
    assert sum(row.silent for row in seen.rows) == 40 * (3600 - 2)


def test_host_samples_have_the_fixed_features_and_other_metrics_are_left_out() -> None:
    sent = [Sent(START + i * 15 * S, "h", {"cpu_ratio": i / 100, "load_1": 1.0, "mine": 3.0}) for i in range(40)]
    engine = SampleEngine(PROFILES["host"], EnginePolicy(), 0)
    seen = play(engine, [*sent, tick(START + HOUR // 2)], names=HOST.names)
    rows = [row for row in seen.rows if row.events]
    times = np.array([one.time for one in sent])
    values = np.array([[one.metrics["cpu_ratio"], one.metrics["load_1"]] for one in sent], np.float64)
    names, expected = host_features(times, values, ["cpu_ratio", "load_1"])
    np.testing.assert_array_equal([list(row.values.values()) for row in rows], expected)
    assert names == tuple(rows[0].values)
    assert seen.counts["metrics_refused"] == 40


def test_other_windows_than_those_of_the_features_are_refused() -> None:
    profile = Profile.model_validate({**PROFILES["generic"].model_dump(), "samples": (5, 20)})
    with pytest.raises(ProfileError, match=r"\[5, 10, 30\]"):
        SampleEngine(profile, EnginePolicy(), 0)


def test_foreign_state_is_named() -> None:
    engine = generic()
    with pytest.raises(ValueError, match="not a record of the sample engine"):
        engine.recall([Logged(b"a\x1f1\x1fgeneric", b"{}")])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_live_features_are_those_of_the_table_bit_for_bit(seed: int, cut: int) -> None:
    """Samples in any order within the lateness, in any batches, beside other entities."""
    rng = np.random.default_rng(seed)
    n, cadence = int(rng.integers(2, 200)), int(rng.choice([5, 60, 300])) * S
    times = START + np.cumsum(rng.integers(cadence // S, 2 * cadence // S, n)) * S
    values = rng.normal(100, 10, (n, 3))
    values[rng.random((n, 3)) < 0.1] = np.nan
    arrivals = [
        (int(t) + int(rng.integers(0, 9)) * S, Sent(int(t), "a", {f"m{j}": float(x) for j, x in enumerate(row)}))
        for t, row in zip(times, values, strict=True)
    ]
    arrivals += [(one.time, one) for one in watching(int(times[-1]), step=30 * S)]
    sent = [one for _, one in sorted(arrivals, key=lambda pair: pair[0])]
    rows = [row for row in play(generic(), [*sent, tick(int(times[-1]) + MINUTE)], cut).of("a") if row.events]
    names, expected = generic_features(times, values, ["m0", "m1", "m2"])
    assert [row.end for row in rows] == times.tolist()
    for row, want in zip(rows, expected, strict=True):
        got = np.array([row.values.get(name, math.nan) for name in names])
        np.testing.assert_array_equal(got, want)


def test_the_stage_of_these_tests_tells_vectors_apart() -> None:
    stage = EngineStage(generic, [*regular("a", 3, 10 * S), tick(START + MINUTE)])
    (chunk,) = stage.step(stage.start(0, -(1 << 62), []), stage.records())
    assert len({output.value for output in chunk.outputs}) == 3
