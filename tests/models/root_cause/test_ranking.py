"""Which entity a ranking names, on incidents whose cause is known, and what must change nothing in it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.root_cause.evidence import NOTHING, UNKNOWN, Evidence
from models.root_cause.kinds import SILENCE, Kind
from models.root_cause.ranking import Candidate, rank
from tests.models.root_cause.call_graphs import FAULTS, WINDOW_US, Incident, incident

MINUTE = 60_000_000
UNPRICED = float("nan")

Row = tuple[int, str, bool, float, int, float]


def slow(entity: int, cost: float, score: float = 3.0, onset: int = UNKNOWN) -> Row:
    return entity, "latency_ms", True, score, onset, cost


def failing(entity: int, cost: float, score: float = 3.0, onset: int = UNKNOWN) -> Row:
    return entity, "errors_ratio", True, score, onset, cost


def ranked(names: str, rows: list[Row], calls: str = "", noticed: Kind | None = None) -> list[Candidate]:
    """`names` and `calls` as words: `rank("web db", […], "web>db")`."""
    pairs = [(a, b) for a, b in (edge.split(">") for edge in calls.split())]
    return rank(names.split(), Evidence.from_rows(rows), pairs, noticed=noticed, window_us=MINUTE)


def order(found: list[Candidate]) -> list[str]:
    return [candidate.entity for candidate in found]


def test_the_callee_whose_lost_time_covers_its_callers_is_the_cause() -> None:
    rows = [slow(0, 20.0), slow(1, 21.0), slow(2, 19.0)]
    found = ranked("web shop db", rows, "web>shop shop>db")
    assert order(found) == ["db", "shop", "web"]
    assert found[0].share > 0.8


def test_what_callees_do_not_cover_is_the_entitys_own() -> None:
    found = ranked("web shop db", [slow(0, 20.0), slow(1, 21.0), slow(2, 2.0)], "web>shop shop>db")
    assert order(found) == ["shop", "db", "web"]


def test_of_several_affected_callees_the_costliest_is_to_blame_though_another_one_has_the_larger_score() -> None:
    rows = [slow(0, 30.0), slow(1, 28.0, score=2.0), slow(2, 3.0, score=9.0)]
    assert order(ranked("web search proxy", rows, "web>search web>proxy"))[0] == "search"


def test_without_costs_scores_stand_for_them() -> None:
    rows = [failing(0, UNPRICED, 4.0), failing(1, UNPRICED, 5.0)]
    assert order(ranked("web db", rows, "web>db")) == ["db", "web"]


def test_an_unknown_cost_is_what_the_score_would_cost_elsewhere() -> None:
    rows = [slow(0, 40.0, 2.0), slow(1, UNPRICED, 2.0), slow(2, 4.0, 0.2)]
    assert order(ranked("web db cache", rows, "web>db web>cache"))[0] == "db"


def test_errors_are_not_explained_by_a_little_lost_time_below() -> None:
    found = ranked("web db", [failing(0, 50.0, 8.0), slow(1, 1.0, 0.5)], "web>db")
    assert order(found) == ["web", "db"]


def test_a_callee_that_fell_silent_explains_the_errors_of_its_callers() -> None:
    rows = [failing(0, 50.0), failing(1, 40.0), (2, SILENCE, False, 2.0, UNKNOWN, UNPRICED)]
    found = ranked("web shop db", rows, "web>db shop>db")
    assert found[0].entity == "db"
    assert found[0].reason == "It fell silent and two affected callers depend on it; nothing that it calls is affected."


def test_less_traffic_is_an_effect_and_counts_only_where_there_is_nothing_else() -> None:
    less = (1, "events_count", False, 9.0, 0, UNPRICED)
    assert order(ranked("web db", [slow(0, 5.0, onset=MINUTE), less], "web>db")) == ["web", "db"]
    alone = ranked("web db", [less])
    assert alone == [Candidate("db", 1.0, "Its traffic fell.")]


def test_what_began_much_later_than_its_caller_explains_it_less() -> None:
    def share(onset: int) -> float:
        found = ranked(
            "web db cache", [slow(0, 20.0, onset=0), slow(1, 20.0, onset=onset), slow(2, 20.0, onset=0)], CALLS
        )
        return next(one.share for one in found if one.entity == "db")

    CALLS = "web>db web>cache"
    assert share(0) == share(MINUTE) > share(3 * MINUTE) > share(6 * MINUTE)


def test_what_was_noticed_decides_between_unlike_troubles() -> None:
    rows = [failing(0, 9.0, 2.0), slow(1, 50.0, 3.0)]
    assert order(ranked("pay mail", rows))[0] == "mail"
    assert order(ranked("pay mail", rows, noticed=Kind.ERRORS))[0] == "pay"


def test_an_entity_without_measurements_is_looked_through() -> None:
    rows = [slow(0, 20.0), slow(1, 20.0)]
    through = ranked("web db", rows, "web>proxy proxy>mesh mesh>db")
    assert order(through) == ["db", "web"]
    assert [one.share for one in through] == pytest.approx([one.share for one in ranked("web db", rows, "web>db")])


def test_an_unaffected_entity_that_was_measured_is_not_looked_through() -> None:
    rows = [slow(0, 20.0, 4.0), slow(1, 20.0, 2.0)]
    assert order(ranked("web db between", rows, "web>between between>db")) == ["web", "db"]


@pytest.mark.parametrize("calls", ["a>b b>a", "a>a a>b b>c c>a", "a>x x>y y>x y>b"])
def test_cycles_come_to_rest(calls: str) -> None:
    found = ranked("a b c", [slow(0, 20.0), slow(1, 20.0), slow(2, 20.0)], calls)
    assert sum(one.share for one in found) == pytest.approx(1.0)


def test_one_entity_alone_is_the_cause() -> None:
    assert ranked("db", [slow(0, 1.0, onset=0)]) == [Candidate("db", 1.0, "Its latency rose.")]


def test_nothing_unusual_has_no_cause() -> None:
    assert ranked("web db", [], "web>db") == []
    assert ranked("web db", [slow(0, 5.0, score=0.0), slow(1, 5.0, score=float("nan"))]) == []


def test_ties_are_broken_by_name() -> None:
    rows = [slow(0, 5.0), slow(1, 5.0), slow(2, 5.0)]
    assert order(ranked("c a b", rows)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("rows", "calls", "reason"),
    [
        (
            [failing(0, 3.0, onset=0), failing(1, 1.0, onset=MINUTE), failing(2, 1.0, onset=2 * MINUTE)],
            "b>a c>a a>d",
            "Its errors rose first and two affected callers depend on it; nothing that it calls is affected.",
        ),
        ([slow(0, 10.0), slow(1, 4.0)], "a>b", "Its latency rose; what it calls explains 40% of it."),
        ([slow(0, 10.0), failing(1, 4.0)], "a>b", "Its latency rose; what it calls is affected in another way."),
        ([slow(0, 9.0, 3.0), failing(0, 9.0, 2.0)], "", "Its latency and errors rose."),
        (
            [(0, "memory_free_bytes", False, 3.0, 0, UNPRICED), slow(0, 9.0, 2.0)],
            "",
            "Its memory_free_bytes fell, latency rose.",
        ),
        ([(0, "queue\n<b>" + "x" * 99, True, 3.0, 0, UNPRICED)], "", f"Its queue <b>{'x' * 50}… rose."),
    ],
)
def test_reasons(rows: list[Row], calls: str, reason: str) -> None:
    found = ranked("a b c d", rows, calls)
    assert next(one.reason for one in found if one.entity == "a") == reason


def test_wrong_use_is_told() -> None:
    nothing = Evidence.from_rows([])
    with pytest.raises(ValueError, match="named twice"):
        rank(["web", "web"], nothing)
    with pytest.raises(ValueError, match="window_us must be above 0"):
        rank(["web"], nothing, window_us=0)
    with pytest.raises(ValueError, match=r"entity 3 .* there are 1 entities"):
        rank(["web"], Evidence.from_rows([slow(3, 1.0)]))
    with pytest.raises(ValueError, match="below 0"):
        Evidence.from_rows([slow(-1, 1.0)])
    with pytest.raises(ValueError, match="score that is negative or infinite"):
        Evidence.from_rows([slow(0, 1.0, score=float("inf"))])
    with pytest.raises(ValueError, match="column cost"):
        replace(Evidence.from_rows([slow(0, 1.0)]), cost=np.zeros(2))


@pytest.fixture(scope="module")
def incidents() -> list[Incident]:
    return [incident(seed) for seed in range(60)]


def test_made_up_incidents_have_their_cause_first_mostly_and_among_three_nearly_always(
    incidents: list[Incident],
) -> None:
    places = np.array([_place(one, one.calls) for one in incidents])
    assert np.mean(places == 1) >= 0.75
    assert np.mean(places <= 3) >= 0.95


def test_without_calls_it_is_still_better_than_the_largest_score(incidents: list[Incident]) -> None:
    places = np.array([_place(one, []) for one in incidents])
    loudest = [one.entities[one.evidence.entity[int(np.argmax(one.evidence.score))]] == one.cause for one in incidents]
    assert np.mean(places == 1) > np.mean(loudest) + 0.2


@pytest.mark.parametrize("fault", FAULTS)
def test_alone_in_a_graph_every_kind_of_fault_is_found(fault: str) -> None:
    places = [_place(one, one.calls) for one in (incident(seed, fault=fault, elsewhere=0) for seed in range(15))]
    assert np.mean(np.array(places) == 1) >= 0.9


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_entities_evidence_and_calls_changes_nothing(seed: int, shuffle: Random) -> None:
    one = _small(seed)
    places = list(range(len(one.entities)))
    rows = list(range(len(one.evidence.metric)))
    for several in (places, rows):
        shuffle.shuffle(several)
    calls = shuffle.sample(one.calls, len(one.calls)) + one.calls[:2]
    e = one.evidence
    moved = Evidence(
        entity=np.argsort(places)[e.entity[rows]].astype(np.int64),
        metric=[e.metric[row] for row in rows],
        up=e.up[rows],
        score=e.score[rows],
        onset=e.onset[rows],
        cost=e.cost[rows],
    )
    assert rank([one.entities[place] for place in places], moved, calls) == rank(one.entities, e, one.calls)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_an_entity_without_symptoms_changes_nothing(seed: int, data: st.DataObject) -> None:
    one = _small(seed)
    name = data.draw(st.sampled_from(["aaa", "service-0003-b", "zzz"]))
    known = st.sampled_from(one.entities)
    more = data.draw(st.lists(st.one_of(st.tuples(st.just(name), known), st.tuples(known, st.just(name)))))
    assert rank([*one.entities, name], one.evidence, [*one.calls, *more]) == rank(one.entities, one.evidence, one.calls)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from(["latency_ms", "availability", "errors", "cpu_ratio", "requests", SILENCE, ""]),
            st.booleans(),
            st.floats(0.0, 10.0) | st.just(float("nan")),
            st.integers(0, 10 * MINUTE) | st.just(UNKNOWN),
            st.floats(0.0, 1e9) | st.just(UNPRICED),
        ),
        max_size=20,
    ),
    calls=st.lists(st.tuples(st.sampled_from("abcdefxy"), st.sampled_from("abcdefxy")), max_size=30),
    noticed=st.none() | st.sampled_from(Kind),
)
def test_whatever_comes_all_with_symptoms_are_ranked_and_shares_sum_to_one(
    rows: list[Row], calls: list[tuple[str, str]], noticed: Kind | None
) -> None:
    found = rank(list("abcdef"), Evidence.from_rows(rows), calls, noticed=noticed)
    assert sorted(order(found)) == sorted({"abcdef"[row[0]] for row in rows if row[3] > NOTHING})
    assert all(one.share >= 0.0 for one in found)
    assert not found or sum(one.share for one in found) == pytest.approx(1.0)
    shares = [one.share for one in found]
    assert shares == pytest.approx(sorted(shares, reverse=True), abs=1e-8)


def _place(one: Incident, calls: list[tuple[str, str]]) -> int:
    names = order(rank(one.entities, one.evidence, calls, window_us=WINDOW_US))
    return names.index(one.cause) + 1 if one.cause in names else len(one.entities)


def _small(seed: int) -> Incident:
    return incident(seed % 50, services=8)
