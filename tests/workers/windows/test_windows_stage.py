"""The windows stage as the runtime drives it: whatever the batches, restarts and rebuilds, the same records out."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.stage_contract import (
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    random_cut,
)
from tests.workers.windows.pane_events import Event
from tests.workers.windows.pane_oracle import Oracle
from tests.workers.windows.pane_records import HOUR, MINUTE, SECOND, START, Raw, Step, records_of
from tests.workers.windows.pane_stage import ran, rows_of, stage_of
from workers.windows.engine import EnginePolicy
from workers.windows.ticks import Tick


@st.composite
def stories(draw: st.DrawFn, length: int = 60) -> list[Step]:
    """Records of few entities: on time, late, very late, skewed, in bursts, with gaps, ticks and garbage."""
    is_live = draw(st.booleans())
    now, steps = START + draw(st.integers(0, 600)) * SECOND, []
    for _ in range(draw(st.integers(5, length))):
        now += draw(
            st.one_of(
                st.integers(0, 20 * SECOND),
                st.sampled_from([0, SECOND, 10 * SECOND, 50 * SECOND, 5 * MINUTE, 20 * MINUTE, 2 * HOUR, 700 * HOUR]),
            )
        )
        stamp = now + SECOND if is_live else START + 10_000 * HOUR
        steps.append(Step(stamp, draw(_whats(now, stamp))))
    return steps


def _whats(now: int, stamp: int) -> st.SearchStrategy[Event | Tick | Raw]:
    behind = st.one_of(
        st.just(0), st.integers(0, 30 * SECOND), st.sampled_from([5 * MINUTE, 29 * MINUTE, 31 * MINUTE, 3 * HOUR])
    )
    events = st.builds(
        Event,
        time=st.one_of(
            behind.map(lambda late: now - late),
            st.integers(0, 290 * SECOND).map(lambda ahead: now + ahead),
            st.just(stamp + 400 * SECOND),
            st.just(1_700_000_000),
        ),
        entity=st.sampled_from(["a", "b", "c", "é/β", "checkout"]),
        kind=st.sampled_from(["api", "api", "log", "metric"]),
        latency=st.one_of(st.none(), st.floats(0.02, 900_000), st.sampled_from([10.0, 20.0])),
        attributes=st.fixed_dictionaries(
            {},
            optional={
                "level": st.sampled_from(["INFO", "WARN", "ERROR"]),
                "status_code": st.sampled_from(["200", "404", "503"]),
                "path": st.sampled_from(["/", "/cart", "/pay"]),
            },
        ),
        weight=st.sampled_from([1.0, 1.0, 2.0, 10.0]),
        observed_at=st.one_of(st.none(), st.just(stamp - SECOND)),
    )
    ticks = st.builds(
        Tick, time=st.just(now), as_of=st.sampled_from([-1, -1, 7]), kind=st.sampled_from(["idle", "idle", "end"])
    )
    garbage = st.just(Raw(b"{nonsense", b"a"))
    return st.one_of(*[events] * 8, ticks, garbage)


SLOW = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@SLOW
@given(stories(), st.integers(0, 1 << 30), st.sampled_from([200_000, 3, 1]))
def test_the_outputs_do_not_depend_on_where_batches_are_cut(story: list[Step], seed: int, limit: int) -> None:
    records = records_of(story, stride=1 + seed % 2)
    stage = stage_of(policy=EnginePolicy(max_entities=limit))
    assert_cuts_do_not_matter(stage, records, [1, 7, random_cut(len(records), seed)])


@SLOW
@given(stories(), st.data(), st.sampled_from([200_000, 3]))
def test_a_restored_state_goes_on_as_the_lost_one_would_have(
    story: list[Step], data: st.DataObject, limit: int
) -> None:
    records = records_of(story)
    at = data.draw(st.integers(0, len(records)))
    assert_restore_is_exact(stage_of(policy=EnginePolicy(max_entities=limit)), records, at)


@SLOW
@given(stories(), st.data(), st.sampled_from([200_000, 3]))
def test_a_rebuilt_state_goes_on_as_the_lost_one_would_have(story: list[Step], data: st.DataObject, limit: int) -> None:
    records = records_of(story)
    at = data.draw(st.integers(0, len(records)))
    assert_rebuild_is_exact(stage_of(policy=EnginePolicy(max_entities=limit)), records, at)


@SLOW
@given(stories(), st.sampled_from([200_000, 2]))
def test_every_vector_is_what_a_slow_look_at_all_events_gives(story: list[Step], limit: int) -> None:
    stage = stage_of(policy=EnginePolicy(max_entities=limit))
    result = ran(story, stage)
    oracle = Oracle(max_entities=limit)
    expected = oracle.take(story)
    got = rows_of(result)
    places = [[(r["window_end"], r["entity"], r["silent"], r["retired"]) for r in rows] for rows in (got, expected)]
    assert places[0] == places[1], set(places[0]) ^ set(places[1])
    for have, want in zip(got, expected, strict=True):
        _assert_close(have, want)
    for name, count in oracle.counts.items():
        assert result.counts[f"service.{name}"] == count, name


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(0.05, 1.0), min_size=1, max_size=5), st.integers(0, 1 << 30))
def test_silence_of_senders_at_random_and_by_the_clock_is_what_the_slow_look_gives(
    shares: list[float], seed: int
) -> None:
    """Hours of a sender whose pace changes, of one that keeps time, and of one that comes back after a while."""
    rng, pane = np.random.default_rng(seed), 10 * SECOND
    at = [START + pane * (i + 90 * part) for part, p in enumerate(shares) for i in np.flatnonzero(rng.random(90) < p)]
    end = START + 90 * pane * len(shares) + 20 * MINUTE
    step, stopped = int(rng.integers(1, 9)) * pane, int(rng.integers(0, end - START))
    clock = [t for t in range(START, end, step) if not stopped < t - START < stopped + 15 * MINUTE]
    told = [("a", int(t)) for t in at] + [("b", t) for t in clock] + [("c", t) for t in range(START, end, pane)]
    story = [Step(START + 10_000 * HOUR, Event(t, name)) for name, t in sorted(told, key=lambda one: (one[1], one[0]))]
    got = [(row["window_end"], row["entity"], row["silent"]) for row in rows_of(ran(story))]
    assert got == [(row["window_end"], row["entity"], row["silent"]) for row in Oracle().take(story)]


@given(stories())
@SLOW
def test_every_record_and_every_event_has_exactly_one_outcome(story: list[Step]) -> None:
    result = ran(story)
    c, dead = result.counts, result.dead
    assert c["events"] + c["skewed"] + c["undecodable"] + c["ticks"] + c["ticks_ignored"] == len(story)
    assert len(dead) == c["skewed"] + c["undecodable"]
    outcomes = c["service.in_panes"] + c["service.dropped_late"] + c["service.dropped_limit"] + c["service.skewed"]
    assert c["service.events"] == outcomes
    assert c["events"] + c["skewed"] == c["service.events"] + c["events_of_no_profile"]


def _assert_close(have: dict[str, object], want: dict[str, object]) -> None:
    where = f"{want['entity']} at {want['window_end']}"
    for name, value in want.items():
        if isinstance(value, float):
            got = have[name]
            assert isinstance(got, float)
            share = 0.02 + 1e-9 if "_p5" in name or "_p9" in name else 1e-9
            spread = 2e-6 * (1.0 + _number(want[name.replace("_std_", "_max_")])) if "_std_" in name else 0.0
            same = math.isclose(got, value, rel_tol=share, abs_tol=max(spread, 1e-9))
            assert same or (math.isnan(got) and math.isnan(value)), f"{where}: {name} is {got}, not {value}"
        else:
            assert have[name] == value, f"{where}: {name} is {have[name]}, not {value}"


def _number(value: object) -> float:
    assert isinstance(value, float)
    return value
