"""The real loop under thousands of seeded schedules: what a reader sees is what an undisturbed run would have given.

`FAULTLINE_TEST_SEEDS=5000` runs that many. A failure prints the fewest faults that still cause it, and how to run
them again.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
import structlog

from tests.model.chance import Chance
from tests.model.schedules import Build, gives_up, report, run, silence
from tests.model.world import LOG, OUT, Plan
from tests.support.toy_stages import Relay, Tally
from workers.runtime.transaction import Transaction

SEEDS = int(os.environ.get("FAULTLINE_TEST_SEEDS", "300"))

STAGES: dict[str, Build] = {"tally": lambda: Tally(OUT, LOG), "relay": lambda: Relay(OUT)}

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
    "aborted",
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
def quiet() -> Iterator[None]:
    silence()
    yield
    structlog.reset_defaults()


@pytest.mark.timeout(0)
def test_no_schedule_breaks_the_promise_and_every_fault_happens() -> None:
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        plan = Plan(seed)
        happened, broken, _ = run(plan, STAGES["tally"])
        seen += happened
        if broken:
            pytest.fail(f"seed {seed}: {report(plan, STAGES['tally'])}")
    assert {name for name in MUST_HAPPEN if not seen[name]} == set()


@pytest.mark.timeout(0)
def test_no_schedule_breaks_the_promise_of_a_stage_without_state() -> None:
    for seed in range(SEEDS // 3):
        plan = Plan(10_000_000 + seed)
        _, broken, _ = run(plan, STAGES["relay"])
        if broken:
            pytest.fail(f"seed {plan.seed}: {report(plan, STAGES['relay'])}")


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
