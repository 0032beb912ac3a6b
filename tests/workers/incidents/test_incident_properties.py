"""What holds for every sequence of scores: the stage's three equations, and the rules of an incident's life."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.stage_contract import (
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    random_cut,
)
from tests.workers.incidents.given import PANE, TOPICS, events, records, score, silent, stage
from workers.incidents.policy import MINUTE, Policy
from workers.incidents.stage import IncidentsStage
from workers.runtime.records import Output
from workers.runtime.stage import NO_WATERMARK

LIVELY = Policy(
    open_windows=2,
    open_of=3,
    resolve_windows=2,
    lower_windows=3,
    close_after=6 * PANE,
    continue_every=4 * PANE,
    flap_reopens=2,
    flap_resolve_windows=4,
    abandon_after=60 * PANE,
    max_age=40 * PANE,
    occurrence_days=1,
    log_every=3 * PANE,
)
"""Everything happens within a few windows, so that short runs see all of it."""

Score = dict[str, Any] | bytes | None


class Step(NamedTuple):
    """One record: `pass_` panes after the one before, its window `late` panes behind."""

    pass_: int
    late: int
    entity: str
    profile: str
    what: str
    severity: str | None


STEPS = st.builds(
    Step,
    pass_=st.sampled_from([0] * 6 + [1] * 6 + [2, 2, 7, 7, 90, 90, 8_640]),
    late=st.sampled_from([0] * 12 + [1, 2, 5, 80]),
    entity=st.sampled_from("abc"),
    profile=st.sampled_from(["service", "service", "event"]),
    what=st.sampled_from(["score"] * 20 + ["between", "silent", "silent", "silent", "retired", "challenger", "empty"]),
    severity=st.sampled_from([None, None, "low", "medium", "high", "critical"]),
)
GARBAGE = st.sampled_from([None, b"", b"{", b'{"entity": "a"}', b"\x00\x00"])
HISTORIES = st.lists(st.one_of(*[STEPS] * 20, GARBAGE), min_size=1, max_size=60)
"""Scores of three entities in two profiles: mostly in order, with gaps, repetitions, late ones and garbage."""

History = list[Step | bytes | None]


def scores_of(history: History) -> list[Score]:
    now, scores = 100, list[Score]()
    for step in history:
        if not isinstance(step, Step):
            scores.append(step)
            continue
        now += step.pass_
        who: dict[str, Any] = {"entity": step.entity, "profile": step.profile, "event_count": 9}
        at, severity = now - step.late, step.severity
        if step.what in ("silent", "retired"):
            scores.append(silent(at, **who | {"severity": severity, "retired": step.what == "retired"}))
        elif step.what == "challenger":
            scores.append(score(at, severity, role="challenger", **who))
        elif step.what == "between":
            scores.append(score(at, anomaly_score=0.9, **who))
        else:
            scores.append(score(at, severity, **who | {"event_count": 0 if step.what == "empty" else 9}))
    return scores


@settings(max_examples=60, deadline=None)
@given(HISTORIES, st.integers(0, 1000))
def test_the_division_into_batches_changes_nothing(history: History, seed: int) -> None:
    assert_cuts_do_not_matter(stage(LIVELY), records(scores_of(history)), (1, 7, random_cut(len(history), seed)))


@settings(max_examples=80, deadline=None)
@given(HISTORIES, st.data())
def test_a_restored_state_goes_on_as_if_nothing_had_been(history: History, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(history)))
    assert_restore_is_exact(stage(LIVELY), records(scores_of(history)), at)


@settings(max_examples=400, deadline=None)
@given(HISTORIES, st.data())
def test_a_rebuilt_state_goes_on_as_if_nothing_had_been(history: History, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(history)))
    assert_rebuild_is_exact(stage(LIVELY), records(scores_of(history)), at)


def stepped(one: IncidentsStage, history: History, more: Sequence[Score] = ()) -> list[Output]:
    state = one.start(3, NO_WATERMARK, [])
    batch = records([*scores_of(history), *more])
    return [output for chunk in one.step(state, batch) for output in chunk.outputs]


@settings(max_examples=150, deadline=None)
@given(HISTORIES)
def test_every_incident_lives_once_from_create_to_closed(history: History) -> None:
    """Time goes on by scores of an entity that is never in trouble, until every time-out has passed."""
    last = 100 + sum(step.pass_ for step in history if isinstance(step, Step))
    later = [score(last + i, entity="calm") for i in (100, 200, 201, 202, 203, 204, 205)]
    told = events(stepped(stage(LIVELY), history, later))
    lives: dict[str, list[dict[str, Any]]] = defaultdict(list)
    open_now: set[tuple[str, str]] = set()
    for event in told:
        lives[event["incident_id"]].append(event)
        who = (event["entity"], event["profile"])
        if event["type"] == "CREATE":
            assert who not in open_now, "two open incidents of one entity and profile"
            open_now.add(who)
        elif event["type"] == "CLOSED":
            open_now.remove(who)
        else:
            assert who in open_now
    assert not open_now, "an incident hangs for ever"
    for life in lives.values():
        types = [event["type"] for event in life]
        assert types[0] == "CREATE"
        assert types[-1] == "CLOSED"
        assert (types.count("CREATE"), types.count("CLOSED")) == (1, 1)
        assert [event["sequence"] for event in life] == list(range(len(life)))
        assert types.count("RESOLVE") == types.count("REOPEN") + 1
        assert len({event["fingerprint_id"] for event in life}) == 1
        assert [event["time"] for event in life] == sorted(event["time"] for event in life)


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_a_replay_gives_the_same_bytes(history: History) -> None:
    assert stepped(stage(LIVELY), history) == stepped(stage(LIVELY), history)


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_the_state_topic_mirrors_the_log_and_ends_empty_for_closed_incidents(history: History) -> None:
    outputs = stepped(stage(LIVELY), history)
    latest = {o.key: o.value for o in outputs if o.topic == TOPICS.states}
    told = {event["incident_id"]: event["type"] for event in events(outputs)}
    assert {key.decode() for key in latest if key is not None} == told.keys()
    for key, value in latest.items():
        assert key is not None
        assert (value is None) == (told[key.decode()] == "CLOSED")


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_continuing_events_keep_their_distance(history: History) -> None:
    policy = replace(LIVELY, lower_windows=1_000)
    before: dict[str, dict[str, Any]] = {}
    for event in events(stepped(stage(policy), history)):
        last = before.get(event["incident_id"])
        if event["type"] == "CONTINUE" and last is not None and last["cause"] == event["cause"]:
            assert event["time"] - last["time"] >= policy.continue_every
        before[event["incident_id"]] = event


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_an_entity_is_logged_once_in_a_while_and_when_its_incident_moves(history: History) -> None:
    policy = replace(LIVELY, log_every=30 * MINUTE)
    outputs = stepped(stage(policy), history)
    moves = Counter(e["entity"] for e in events(outputs) if e["type"] in ("CREATE", "RESOLVE", "REOPEN", "CLOSED"))
    passed = sum(step.pass_ for step in history if isinstance(step, Step)) * PANE
    logged = Counter(o.key.decode() for o in outputs if o.topic == TOPICS.log and o.key is not None and o.value)
    for entity, count in logged.items():
        assert count <= moves[entity] + passed // policy.log_every
