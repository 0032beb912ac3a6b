"""Silence, retirement, gaps and late events, as the vectors of the `service` profile show them."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest

from tests.contract.stage_contract import assert_cuts_do_not_matter, assert_rebuild_is_exact, assert_restore_is_exact
from tests.workers.windows.pane_events import Event
from tests.workers.windows.pane_records import HOUR, MINUTE, SECOND, START, Step, live, records_of, replayed
from tests.workers.windows.pane_stage import SERVICE, Row, ran, rows_of, stage_of
from workers.runtime.stage import NO_WATERMARK
from workers.windows.engine import EnginePolicy
from workers.windows.ticks import Tick

PANE = 10 * SECOND


def every(step: int, start: int, stop: int, entity: str = "shop") -> list[Event]:
    """An event of an entity every `step` microseconds of [start, stop) after START."""
    return [Event(START + at, entity, latency=20.0) for at in range(start, stop, step)]


def together(*streams: list[Event]) -> list[Event]:
    return sorted((event for stream in streams for event in stream), key=lambda event: (event.time, event.entity))


def seconds(rows: list[Row]) -> list[int]:
    """The ends of rows in seconds after START."""
    return [(int(str(row["window_end"])) - START) // SECOND for row in rows]


def silent(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["silent"]]


def test_an_entity_that_stops_is_silent_from_its_third_missed_cadence_on_until_it_returns() -> None:
    story = live(
        together(
            every(PANE, 0, 300 * SECOND),
            every(PANE, 0, 100 * SECOND, "cart"),
            every(PANE, 200 * SECOND, 300 * SECOND, "cart"),
        )
    )
    rows = rows_of(ran(story), "cart")
    assert seconds(silent(rows)) == list(range(130, 210, 10)), "panes 100–110 and 110–120 may only be late"
    empty = [row for row in rows if row["event_count"] == 0]
    assert seconds(empty) == list(range(110, 210, 10))


def at_random(share: float, start: int, stop: int, entity: str, seed: int = 0) -> list[Event]:
    """An event in some panes of [start, stop) after START: in any with the same probability, whatever came before."""
    panes = np.arange(start // PANE, stop // PANE)
    hit = panes[np.random.default_rng(seed).random(len(panes)) < share]
    return [Event(START + int(pane) * PANE, entity, latency=20.0) for pane in hit]


@pytest.mark.parametrize(("share", "minutes"), [(0.95, 1), (0.8, 2), (0.6, 3), (0.4, 6), (0.15, 19)])
def test_whose_events_come_at_random_is_silent_once_a_gap_is_longer_than_chance_makes_it(
    share: float, minutes: int
) -> None:
    day = 24 * HOUR
    events = together(every(PANE, 0, 3 * day + HOUR), at_random(share, 0, 3 * day, "cart"))
    found = seconds(silent(rows_of(ran(replayed(events)), "cart")))
    known = [at for at in found if at > 4200]
    assert len(found) - len(known) < 30, "within the first hour less tells whether gaps are alike"
    assert 0 < known[0] - 3 * day // SECOND < 60 * minutes, "three cadences are missed up to a thousand times a day"
    assert len(known) > (3600 - 60 * minutes) // 10 - 20, "and it is so until it retires"


@pytest.mark.parametrize("step", [15 * SECOND, 20 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE])
def test_who_keeps_time_is_silent_at_once_though_most_panes_are_empty(step: int) -> None:
    wobble = np.random.default_rng(1).integers(-SECOND, SECOND, 4 * HOUR // step)
    events = [Event(START + i * step + 5 * SECOND + int(off), "cart") for i, off in enumerate(wobble)]
    rows = silent(rows_of(ran(replayed(together(every(PANE, 0, 5 * HOUR), events))), "cart"))
    assert 0 < seconds(rows)[0] - 4 * 3600 <= 3 * max(step, 20 * SECOND) // SECOND + 20


def test_the_end_of_working_hours_is_no_silence_on_the_second_day() -> None:
    days = [(start * HOUR, stop * HOUR, share) for start, stop, share in ((0, 8, 0.7), (8, 24, 0.15), (24, 32, 0.7))]
    busy = [event for i, (start, stop, share) in enumerate(days) for event in at_random(share, start, stop, "cart", i)]
    busy += at_random(0.15, 32 * HOUR, 48 * HOUR, "cart", 9)
    rows = rows_of(ran(replayed(together(every(PANE, 0, 48 * HOUR), busy))), "cart")
    assert [s for s in seconds(silent(rows)) if s > 24 * 3600] == []


def test_what_chance_makes_of_gaps_comes_back_from_what_was_logged() -> None:
    """How often panes had events reaches a day back: behind every rebuild."""
    shares = {"half": 0.5, "few": 0.2, "most": 0.9}
    senders = [at_random(share, 0, 26 * HOUR, name, seed) for seed, (name, share) in enumerate(shares.items())]
    clock = [every(PANE, 0, 28 * HOUR), every(3 * PANE, 0, 26 * HOUR, "steady")]
    records = records_of(replayed(together(*senders, *clock)))
    stage = stage_of()
    result = assert_cuts_do_not_matter(stage, records, [997])
    assert {row["entity"] for row in silent(rows_of(result))} == {*shares, "steady"}
    for at in (len(records) // 2, len(records) - 700, len(records) - 600, len(records) - 5):
        assert_restore_is_exact(stage, records, at)
        assert_rebuild_is_exact(stage, records, at)


def test_a_quiet_partition_shows_silence_by_its_ticks() -> None:
    events = every(PANE, 0, 100 * SECOND)
    ticks = [Step(START + at * SECOND, Tick(START + at * SECOND, -1)) for at in range(120, 400, 30)]
    rows = rows_of(ran([*live(events), *ticks]))
    assert seconds(silent(rows))[0] == 130
    assert seconds(rows)[-1] == 380


def test_a_worker_that_stood_still_sees_no_silence_when_it_reads_on() -> None:
    # Nobody was there to write ticks, and the records that came meanwhile lie in the log, in bursts.
    bursts = [(at, name) for at in range(0, 900, 90) for name in ("shop", "cart")]
    events = [event for at, name in bursts for event in every(PANE, at * SECOND, (at + 90) * SECOND, name)]
    assert silent(rows_of(ran(live(together(events))))) == []


def test_five_minute_data_is_never_silent_and_an_entity_that_leaves_it_is() -> None:
    day = together(
        every(5 * MINUTE, 0, 24 * HOUR, "a"),
        every(5 * MINUTE, 3 * SECOND, 24 * HOUR, "b"),
        every(5 * MINUTE, 0, 6 * HOUR, "c"),
    )
    rows = rows_of(ran(replayed(day)))
    assert silent([row for row in rows if row["entity"] != "c"]) == []
    gone = silent([row for row in rows if row["entity"] == "c"])
    assert seconds(gone)[0] == 6 * 3600 + 600 + 10, "its third sample in a row is missing"
    assert [row["retired"] for row in rows if row["entity"] == "c"].count(True) == 1


@pytest.mark.parametrize("gap", [20 * MINUTE, 2 * HOUR, 700 * HOUR])
@pytest.mark.parametrize("step", [PANE, 5 * MINUTE])
def test_a_gap_in_the_data_of_all_is_nobodys_silence(gap: int, step: int) -> None:
    offsets = {"a": 0, "b": step // 3, "c": step // 2}
    streams = [every(step, at, 3 * HOUR, name) for name, at in offsets.items()]
    after = [every(step, 3 * HOUR + gap + at, 6 * HOUR + gap, name) for name, at in offsets.items()]
    rows = rows_of(ran(replayed(together(*streams, *after))))
    assert silent(rows) == []
    inside = [s for s in seconds(rows) if 3 * 3600 + 60 < s < 3 * 3600 + gap // SECOND]
    retired = [row for row in rows if row["retired"]]
    assert len(inside) == len(retired) == (3 if gap > HOUR else 0), "in the gap nobody has a vector but to be retired"


def test_a_gap_of_a_month_costs_no_more_than_a_gap_of_an_hour() -> None:
    names = [f"e{i}" for i in range(50)]
    first = together(*(every(PANE, 0, 60 * SECOND, name) for name in names))
    stage = stage_of()
    ran(replayed(first), stage)
    times = []
    for gap in (2 * HOUR, 30 * 24 * HOUR, 50 * 365 * 24 * HOUR):
        story = replayed([*first, Event(START + gap, "late comer")], START + 51 * 366 * 24 * HOUR)
        started = perf_counter()
        rows = rows_of(ran(story, stage))
        times.append(perf_counter() - started)
        assert sum(bool(row["retired"]) for row in rows) == 50
    assert times[2] < 10 * times[0] + 0.5


def test_an_entity_is_retired_an_hour_after_its_last_event_and_its_last_vector_says_so() -> None:
    story = live(together(every(PANE, 0, 2 * HOUR), every(PANE, 0, 100 * SECOND, "cart")))
    rows = rows_of(ran(story), "cart")
    assert [row["retired"] for row in rows[-2:]] == [False, True]
    assert seconds(rows)[-1] == 3600 + 90
    assert rows[-1]["silent"]


def test_a_retired_entity_that_returns_begins_anew() -> None:
    story = live(
        together(
            every(PANE, 0, 3 * HOUR),
            every(PANE, 0, 100 * SECOND, "cart"),
            every(PANE, 2 * HOUR, 2 * HOUR + 20 * SECOND, "cart"),
        )
    )
    rows = [row for row in rows_of(ran(story), "cart") if int(str(row["window_start"])) >= START + 2 * HOUR]
    assert rows[0]["events_count_30m"] == 1.0
    assert seconds(silent(rows))[0] == 7200 + 50


def test_a_wrong_clock_is_a_sign_of_life_and_counted_in_the_next_vector() -> None:
    good = live(together(every(PANE, 0, 300 * SECOND), every(PANE, 0, 100 * SECOND, "cart")))
    wrong = [
        Step(START + at * SECOND + SECOND, Event(START + at * SECOND + HOUR, "cart")) for at in range(100, 300, 10)
    ]
    story = sorted([*good, *wrong], key=lambda step: step.stamp)
    result = ran(story)
    rows = rows_of(result, "cart")
    assert silent(rows) == []
    assert result.counts["skewed"] == len(result.dead) == 20
    assert {row["skewed"] for row in rows if 120 <= seconds([row])[0] <= 280} == {1}
    assert result.dead[0][1] == "skewed"


def test_late_events_change_later_windows_and_are_counted_and_very_late_ones_are_dropped() -> None:
    steady = every(PANE, 0, 40 * MINUTE)
    late = Event(START + 30 * MINUTE, "shop", latency=500.0)
    too_late = Event(START + 5 * MINUTE, "shop", latency=900.0)
    story = live(steady)
    story.insert(211, Step(story[210].stamp, late))
    story.insert(225, Step(story[224].stamp, too_late))
    result = ran(story)
    assert result.counts["service.late_in_closed_pane"] == 1
    assert result.counts["service.dropped_late"] == 1
    rows = {seconds([row])[0]: row for row in rows_of(result)}
    assert rows[30 * 60 + 10]["latency_max_ms"] == 20.0, "its own pane's vector is out and stays as it was"
    before, after = rows[2090], rows[2100]
    assert (before["late"], after["late"]) == (0, 1)
    assert (before["latency_max_ms_30m"], after["latency_max_ms_30m"]) == (20.0, 500.0)
    assert after["latency_max_ms_5m"] == 500.0
    assert rows[2110]["latency_max_ms_5m"] == 20.0, "its pane has left this window"
    assert after["events_count_30m"] == 181.0
    assert all(row["latency_max_ms_30m"] != 900.0 for row in rows.values())
    assert sum(int(str(row["late"])) for row in rows.values()) == 2


def test_an_entity_with_a_declared_cadence_is_not_silent_before_it() -> None:
    declared = SERVICE.model_copy(update={"cadence": 60 * SECOND})
    story = live(together(every(PANE, 0, 400 * SECOND), every(PANE, 0, 100 * SECOND, "cart")))
    rows = rows_of(ran(story, stage_of(declared)), "cart")
    assert seconds(silent(rows))[0] == 280


def test_at_the_limit_the_least_recently_active_entity_leaves() -> None:
    names = [f"e{i:02}" for i in range(12)]
    events = [Event(START + i * SECOND, name) for i, name in enumerate([*names[:10], "e00", *names[10:]])]
    closing = [Event(START + 40 * SECOND, "e00")]
    result = ran(live([*events, *closing]), stage_of(policy=EnginePolicy(max_entities=10)))
    assert result.counts["service.entities_evicted"] == 2
    first_pane = {str(row["entity"]) for row in rows_of(result) if seconds([row])[0] == 10}
    assert first_pane == set(names[:10]) - {"e01", "e02"}


def test_a_storm_of_new_entities_takes_no_more_memory_than_the_limit() -> None:
    stage = stage_of(policy=EnginePolicy(max_entities=200))
    story = live([Event(START + i * 1000, f"e{i}") for i in range(20_000)])
    state = stage.start(3, NO_WATERMARK, [])
    records = records_of(story)
    sizes = []
    for first in range(0, 20_000, 2000):
        for _ in stage.step(state, records.slice(first, first + 2000)):
            pass
        sizes.append(state.engines[0].memory())  # type: ignore[attr-defined]
    assert len(state.engines[0]) <= 200  # type: ignore[arg-type]
    assert sizes[-1] <= 1.5 * sizes[1]


def test_a_week_with_a_past_holds_the_contract() -> None:
    """Coarse panes reach behind every rebuild: they must come back from what was logged."""
    busy = every(3 * MINUTE, 0, 40 * HOUR, "steady")
    gone = [*every(2 * MINUTE, 0, 5 * HOUR, "guest"), *every(2 * MINUTE, 9 * HOUR, 30 * HOUR, "guest")]
    rare = every(50 * MINUTE, 7 * MINUTE, 40 * HOUR, "rare")
    story = replayed(together(busy, gone, rare))
    records = records_of(story)
    stage = stage_of()
    result = assert_cuts_do_not_matter(stage, records, [131])
    rows = rows_of(result, "steady")
    assert rows[-1]["regular"]
    assert not rows[100]["regular"]
    assert result.values("faultline.state.windows.v1", b"guest\x1fservice").count(None) == 2
    for at in (len(records) // 5, len(records) // 2, len(records) - 200, len(records) - 3):
        assert_restore_is_exact(stage, records, at)
        assert_rebuild_is_exact(stage, records, at)
    state = stage.start(3, NO_WATERMARK, [])
    for at in range(0, len(records), 100):
        for _ in stage.step(state, records.slice(at, min(at + 100, len(records)))):
            pass
    point = stage.rebuild_point(state)
    assert point is not None
    assert point.offset > records.offsets[-300], "a rebuild reads hours again, not days"
