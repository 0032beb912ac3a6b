"""The real loop under thousands of seeded schedules: what a reader sees is what an undisturbed run would have given.

`python -m tests.model 50000` runs that many, over all cores. A failure prints the fewest faults that still cause it,
and how to run them again.
"""

from __future__ import annotations

import pytest

from tests.model.chance import Chance
from tests.model.crowd import STAGES, Outcome, play_all
from tests.model.schedules import gives_up, report, run, silence
from tests.model.world import Plan
from workers.runtime.transaction import Transaction

SCHEDULES = 2_000
RELAYED, CONTROLLED = 300, 700

MUST_HAPPEN = (
    "crash",
    "freeze",
    "zombie",
    "overtaken",
    "killed",
    "stopped in order",
    "session lost",
    "loss told as revocation",
    "rebalance revoked",
    "rebalance lost",
    "stale generation",
    "fenced",
    "left open",
    "transaction timed out",
    "commit is refused",
    "commit unknown, happened",
    "commit unknown, not happened",
    "commit unknown, happens later",
    "unstable offsets",
    "verdict done",
    "verdict again",
    "verdict reload",
    "poll fails, its records gone",
    "records come again after a seek",
    "end behind markers",
    "redis flushed",
    "redis loses keys",
    "redis fails",
    "redis answers too late",
    "redis takes half a write",
    "checkpoint written",
    "checkpoint skipped",
    "recovery fresh",
    "recovery restore",
    "recovery rebuild",
    "resumed inside a record",
    "state topic blocked",
    "topic id not told",
    "records dead",
    "records skipped_late",
)
"""A run of the model proves nothing about a fault that it did not have."""


@pytest.fixture(autouse=True)
def quiet() -> None:
    silence()


def _assert_kept(stage: str, outcome: Outcome) -> None:
    if outcome.broken:
        seed, broken = outcome.broken[0]
        pytest.fail(
            f"{len(outcome.broken)} broken, the first is seed {seed} ({broken}): {report(Plan(seed), STAGES[stage])}"
        )


@pytest.mark.timeout(900)
def test_no_schedule_breaks_the_promise_and_every_fault_happens() -> None:
    outcome = play_all("tally", range(SCHEDULES))
    _assert_kept("tally", outcome)
    assert {name for name in MUST_HAPPEN if not outcome.seen[name]} == set()


@pytest.mark.timeout(900)
def test_no_schedule_breaks_the_promise_of_a_stage_without_state() -> None:
    _assert_kept("relay", play_all("relay", range(10_000_000, 10_000_000 + RELAYED)))


@pytest.mark.timeout(900)
def test_no_schedule_applies_a_control_record_anywhere_but_where_its_transaction_says() -> None:
    outcome = play_all("tuned", range(40_000_000, 40_000_000 + CONTROLLED))
    _assert_kept("tuned", outcome)
    assert outcome.seen["outputs log"] > CONTROLLED, "hardly a control record was taken up"
    assert outcome.seen["recovery rebuild"] > CONTROLLED / 2


@pytest.mark.parametrize("seed", range(8))
def test_long_rough_schedules_over_many_partitions_keep_it_too(seed: int) -> None:
    plan = Plan(20_000_000 + seed, records=240, partitions=5, steps=250, rate=0.01, most=60)
    seen, broken, _ = run(plan, STAGES["tally"])
    if broken:
        pytest.fail(report(plan, STAGES["tally"]))
    assert sum(seen[name] for name in ("crash", "freeze", "killed", "redis flushed", "overtaken")) > 5


def test_workers_that_give_up_at_once_break_nothing_on_their_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transaction, "_judge", gives_up)
    stopped = 0
    for seed in range(60):
        plan = Plan(30_000_000 + seed)
        seen, broken, _ = run(plan, STAGES["tally"])
        stopped += seen["stopped itself"]
        if broken:
            pytest.fail(f"seed {plan.seed}: {report(plan, STAGES['tally'])}")
    assert stopped > 5


def test_nothing_happens_without_a_rate() -> None:
    calm = Chance(1, rate=0.0, most=10)
    assert not any(calm.fault("x") or calm.strike("y", 1, 1, 1) for _ in range(100))


def test_the_same_seed_gives_the_same_schedule() -> None:
    first, second = run(Plan(4711), STAGES["tally"]), run(Plan(4711), STAGES["tally"])
    assert first[2] == second[2]
    assert first[0] == second[0]
    assert first[2] != run(Plan(4712), STAGES["tally"])[2]
