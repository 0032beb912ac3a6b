"""The sample and event engines under the contract of every stage: cuts, restore and rebuild change nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.contract.stage_contract import (
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    random_cut,
)
from tests.workers.windows.sample_stories import START, story
from tests.workers.windows.telemetry import EngineStage, S, Sent
from workers.windows.engine import Engine, EnginePolicy
from workers.windows.event_engine import EventEngine
from workers.windows.profiles import shipped
from workers.windows.samples import SampleEngine

POLICIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "two_entities": {"max_entities": 2},
    "two_metrics": {"max_metrics": 2},
    "retired_soon": {"retire_after": 120 * S},
    "no_lateness": {"lateness": 0},
}


def maker(profile: str, policy: dict[str, Any]) -> Callable[[], Engine]:
    chosen, rules = shipped()[profile], replace(EnginePolicy(state_topic="state"), **policy)
    return lambda: (EventEngine if profile == "event" else SampleEngine)(chosen, rules, 0)


def check(stage: EngineStage, seed: int) -> None:
    records = stage.records()
    n = len(records)
    result = assert_cuts_do_not_matter(stage, records, [1, 7, random_cut(n, seed)])
    assert len(result.outputs) > n // 4
    for at in (n // 4, n // 2, n - 10):
        assert_restore_is_exact(stage, records, at)
        assert_rebuild_is_exact(stage, records, at)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", range(2))
def test_generic_samples(policy: str, seed: int) -> None:
    rules = POLICIES[policy]
    lateness = {"lateness": rules["lateness"]} if "lateness" in rules else {}
    check(EngineStage(maker("generic", rules), story(seed, steps=90), **lateness), seed)


@pytest.mark.parametrize("policy", ["plain", "two_entities"])
def test_generic_samples_of_distributions(policy: str) -> None:
    check(EngineStage(maker("generic", POLICIES[policy]), story(3, steps=90, with_distributions=True)), 3)


def test_host_samples() -> None:
    names = {"requests_total": "network_receive_bytes", "m0": "cpu_ratio", "m1": "load_1"}
    sent = [
        Sent(one.time, one.entity, {names.get(k, k): v for k, v in one.metrics.items()}, {}, one.reference, one.skewed)
        for one in story(11, steps=90)
    ]
    check(EngineStage(maker("host", {}), sent), 11)


@pytest.mark.parametrize("policy", ["plain", "two_entities", "retired_soon"])
def test_single_events(policy: str) -> None:
    rng = np.random.default_rng(5)
    sent, t = [], START
    for _ in range(300):
        t += int(rng.choice([0, 1, 1, 2, 5, 300])) * S
        late = int(rng.choice([0, 0, 0, 3, 15, 200, 700])) * S
        said = {"level": str(rng.choice(["INFO", "ERROR", "warn"])), "status_code": str(rng.choice([200, 503]))}
        metrics = {"latency_ms": float(rng.exponential(50))} if rng.random() < 0.9 else {}
        skewed = bool(rng.random() < 0.03)
        sent.append(Sent(t - late, f"e{rng.integers(0, 4)}", metrics, said, t, skewed, "log"))
    stage = EngineStage(maker("event", POLICIES[policy]), sent)
    stage.state_topic = None
    check(stage, 5)
