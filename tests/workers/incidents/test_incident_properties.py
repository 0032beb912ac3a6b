"""What holds for every sequence of scores and feedback: the stage's three equations, and an incident's life."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.stage_contract import (
    Takings,
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    random_cut,
)
from tests.workers.incidents.given import (
    PANE,
    TOPICS,
    events,
    fingerprint,
    offset_of,
    records,
    said,
    score,
    silent,
    stage,
    taken_back,
    told,
)
from workers.incidents.identity import SILENCE
from workers.incidents.policy import MINUTE, Policy
from workers.runtime.records import Output
from workers.runtime.stage import Control

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
    most_rules=2,
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
_MARKS = {".": None, "l": "low", "m": "medium", "h": "high", "c": "critical"}
RUNS = st.builds(lambda step, n: [step._replace(pass_=1, late=0)] * n, STEPS, st.integers(2, 9))
RELAPSES = st.builds(
    lambda step, marks: [step._replace(pass_=1, late=0, what="score", severity=_MARKS[mark]) for mark in marks],
    STEPS,
    st.sampled_from(["hh..hh", "hh..mm..hh", "mmm...", "hh..hh..hh....", "ll..cl..", "hhh.hhh.hhh"]),
)
HISTORIES = st.lists(
    st.one_of(
        *[st.builds(lambda step: [step], STEPS)] * 8,
        *[RUNS] * 2,
        *[RELAPSES] * 2,
        st.builds(lambda blob: [blob], GARBAGE),
    ),
    min_size=1,
    max_size=40,
).map(lambda parts: [step for part in parts for step in part][:80])
"""Scores of three entities in two profiles: mostly in order, with runs, gaps, repetitions, late ones and garbage."""

History = list[Step | bytes | None]


class Say(NamedTuple):
    """Feedback that is taken up at a place among the records: about a fingerprint or a pattern of entities."""

    place: float
    id: str
    verdict: str
    entity: str
    profile: str
    pattern: tuple[tuple[str, str], ...]
    severity: str
    since: int
    lasts: int


SAYINGS = st.lists(
    st.builds(
        Say,
        place=st.floats(0, 0.99),
        id=st.sampled_from("xxyz"),
        verdict=st.sampled_from(["false_alarm"] * 3 + ["expected"] * 4 + ["real", "undo", "undo", "undo", "garbage"]),
        entity=st.sampled_from(["a", "b", "*", "*", "[ab]"]),
        profile=st.sampled_from(["service", "service", "event"]),
        pattern=st.sampled_from([(("latency", "up"),), (("latency", "up"),), (SILENCE,)]),
        severity=st.sampled_from(["low", "medium", "high", "critical", "critical"]),
        since=st.sampled_from([0, 0, 0, 110]),
        lasts=st.sampled_from([5, 20, 60, 500, 100_000, 100_000]),
    ),
    min_size=1,
    max_size=8,
)


def takings_of(history: History, sayings: list[Say]) -> dict[int, list[Control]]:
    """By place; the control topic's offsets are in the order of the places."""
    takings = defaultdict[int, list[Control]](list)
    for at, say in enumerate(sorted(sayings)):
        takings[int(say.place * len(history))].append(_control(at, say))
    return dict(takings)


def _control(at: int, say: Say) -> Control:
    if say.verdict == "undo":
        return taken_back(at, say.id)
    if say.verdict == "garbage":
        return Control(at, f"feedback/{say.id}".encode(), b"{}")
    when: dict[str, Any] = {"at": at, "id": say.id, "since": say.since, "until": 100 + say.lasts}
    if say.verdict == "expected":
        return said("expected", entity=say.entity, severity=say.severity, **when)
    which = fingerprint(say.entity, say.profile, say.pattern)
    return said(say.verdict, fingerprint_id=which, severity=say.severity, **when)


def by_offset(history: History, sayings: list[Say]) -> Takings:
    return {offset_of(place): controls for place, controls in takings_of(history, sayings).items()}


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
@given(HISTORIES, SAYINGS, st.integers(0, 1000))
def test_the_division_into_batches_changes_nothing(history: History, sayings: list[Say], seed: int) -> None:
    cuts = (1, 7, random_cut(len(history), seed))
    assert_cuts_do_not_matter(stage(LIVELY), records(scores_of(history)), cuts, by_offset(history, sayings))


@settings(max_examples=80, deadline=None)
@given(HISTORIES, SAYINGS, st.data())
def test_a_restored_state_goes_on_as_if_nothing_had_been(
    history: History, sayings: list[Say], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(history)))
    assert_restore_is_exact(stage(LIVELY), records(scores_of(history)), at, by_offset(history, sayings))


@settings(max_examples=300, deadline=None)
@given(HISTORIES, SAYINGS, st.data())
def test_a_rebuilt_state_goes_on_as_if_nothing_had_been(
    history: History, sayings: list[Say], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(history)))
    assert_rebuild_is_exact(stage(LIVELY), records(scores_of(history)), at, by_offset(history, sayings))


def test_a_rule_that_gives_way_is_dropped_at_the_same_record_after_a_rebuild() -> None:
    """A rebuilt state knows fewer places to start from, so these must not decide."""
    calm = Step(0, 0, "a", "service", "score", None)
    history: History = [calm, calm, calm._replace(severity="low"), None, calm, calm]
    x = Say(0.0, "x", "false_alarm", "a", "service", (("latency", "up"),), "low", 0, 5)
    sayings = [x, x._replace(id="y"), x._replace(id="z"), x._replace(place=0.25), x._replace(place=0.5, verdict="real")]
    for at in range(len(history) + 1):
        assert_rebuild_is_exact(stage(LIVELY), records(scores_of(history)), at, by_offset(history, sayings))


def stepped(history: History, sayings: list[Say], more: Sequence[Score] = (), policy: Policy = LIVELY) -> list[Output]:
    return told([*scores_of(history), *more], takings_of(history, sayings), policy)


@settings(max_examples=200, deadline=None)
@given(HISTORIES, SAYINGS)
def test_every_incident_lives_once_from_create_to_closed(history: History, sayings: list[Say]) -> None:
    """Time goes on by scores of an entity that is never in trouble, until every time-out has passed."""
    last = 100 + sum(step.pass_ for step in history if isinstance(step, Step))
    later = [score(last + i, entity="calm") for i in (100, 200, 201, 202, 203, 204, 205)]
    lives: dict[str, list[dict[str, Any]]] = defaultdict(list)
    open_now: set[tuple[str, str]] = set()
    for event in events(stepped(history, sayings, later)):
        who, before = (event["entity"], event["profile"]), lives[event["incident_id"]]
        before.append(event)
        if event["type"] == "CREATE":
            assert who not in open_now, "two open incidents of one entity and profile"
            open_now.add(who)
        elif event["type"] == "CLOSED":
            open_now.remove(who)
        elif event["type"] == "SUPPRESS":
            assert who not in open_now or before[-2]["type"] == "RESOLVE", "what is open is not held back"
        else:
            assert who in open_now
    assert not open_now, "an incident hangs for ever"
    for life in lives.values():
        _assert_a_life(life)


def _assert_a_life(life: list[dict[str, Any]]) -> None:
    types = [event["type"] for event in life]
    assert [event["sequence"] for event in life] == list(range(len(life)))
    assert len({event["fingerprint_id"] for event in life}) == 1
    assert [event["time"] for event in life] == sorted(event["time"] for event in life)
    assert all(event["rule"]["name"].startswith("feedback ") for event in life if event["type"] == "SUPPRESS")
    if types == ["SUPPRESS"]:
        return
    held_first = types[0] == "SUPPRESS"
    assert types[held_first] == "CREATE"
    assert types[-1] == "CLOSED"
    assert (types.count("CREATE"), types.count("CLOSED")) == (1, 1)
    assert types.count("RESOLVE") == types.count("REOPEN") + 1
    for place, kind in enumerate(types[1:], 1):
        if kind == "SUPPRESS":
            assert types[place - 1] == "RESOLVE"
            assert types[place + 1] in ("REOPEN", "CLOSED")


@settings(max_examples=100, deadline=None)
@given(HISTORIES)
def test_no_incident_opens_that_a_rule_in_force_holds_back(history: History) -> None:
    """One rule for everything, from the first record on and for ever, leaves SUPPRESS alone."""
    everything = said("expected", id="all", entity="*", until=10_000_000)
    outputs = told(scores_of(history), {0: [everything]}, LIVELY)
    assert {event["type"] for event in events(outputs)} <= {"SUPPRESS"}
    assert not [output for output in outputs if output.topic == TOPICS.states]
    without = events(stepped(history, []))
    assert bool(without) == bool(events(outputs)), "what would have opened is said"


@settings(max_examples=60, deadline=None)
@given(HISTORIES, SAYINGS)
def test_a_replay_gives_the_same_bytes(history: History, sayings: list[Say]) -> None:
    assert stepped(history, sayings) == stepped(history, sayings)


@settings(max_examples=60, deadline=None)
@given(HISTORIES, SAYINGS)
def test_the_state_topic_mirrors_the_log_and_ends_empty_for_closed_incidents(
    history: History, sayings: list[Say]
) -> None:
    outputs = stepped(history, sayings)
    latest = {o.key: o.value for o in outputs if o.topic == TOPICS.states}
    opened = {event["incident_id"] for event in events(outputs) if event["type"] == "CREATE"}
    last = {event["incident_id"]: event["type"] for event in events(outputs) if event["incident_id"] in opened}
    assert {key.decode() for key in latest if key is not None} == last.keys()
    for key, value in latest.items():
        assert key is not None
        assert (value is None) == (last[key.decode()] == "CLOSED")


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_continuing_events_keep_their_distance(history: History) -> None:
    policy = replace(LIVELY, lower_windows=1_000)
    before: dict[str, dict[str, Any]] = {}
    for event in events(stepped(history, [], policy=policy)):
        last = before.get(event["incident_id"])
        if event["type"] == "CONTINUE" and last is not None and last["cause"] == event["cause"]:
            assert event["time"] - last["time"] >= policy.continue_every
        before[event["incident_id"]] = event


@settings(max_examples=60, deadline=None)
@given(HISTORIES, SAYINGS)
def test_an_entity_is_logged_once_in_a_while_and_when_its_incident_moves(history: History, sayings: list[Say]) -> None:
    policy = replace(LIVELY, log_every=30 * MINUTE)
    outputs = stepped(history, sayings, policy=policy)
    moved = ("CREATE", "RESOLVE", "REOPEN", "CLOSED", "SUPPRESS")
    moves = Counter(e["entity"] for e in events(outputs) if e["type"] in moved)
    passed = sum(step.pass_ for step in history if isinstance(step, Step)) * PANE
    entities = [o.key for o in outputs if o.topic == TOPICS.log and o.value and o.key and not _of_rules(o.key)]
    for entity, count in Counter(entities).items():
        assert count <= moves[entity.decode()] + passed // policy.log_every


def _of_rules(key: bytes) -> bool:
    return key.startswith(b"\xff")
