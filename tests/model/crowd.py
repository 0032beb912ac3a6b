"""Schedules by the thousand: in batches, over all cores, each process on its own."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.model.schedules import Build, run, silence
from tests.model.tuned import Tuned
from tests.model.world import LOG, OUT, Plan
from tests.support.toy_stages import Relay, Tally

STAGES: dict[str, Build] = {
    "tally": lambda: Tally(OUT, LOG),
    "relay": lambda: Relay(OUT),
    "tuned": lambda: Tuned(OUT, LOG),
}

_A_BATCH = 50


@dataclass(slots=True)
class Outcome:
    """What was seen over many schedules, and which seeds broke the promise, with how."""

    seen: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        self.seen += other.seen
        self.broken += other.broken


def play(stage: str, seeds: Sequence[int]) -> Outcome:
    """These schedules, one after the other."""
    silence()
    outcome = Outcome()
    gc.disable()  # a schedule leaves little behind, and all of it is found between two batches
    try:
        for seed in seeds:
            happened, broken, _ = run(Plan(seed), STAGES[stage])
            outcome.seen += happened
            if broken:
                outcome.broken.append((seed, broken))
    finally:
        gc.enable()
        gc.collect()
    return outcome


def play_all(stage: str, seeds: Sequence[int], told: Callable[[int], None] = lambda done: None) -> Outcome:
    """The same over all cores; ends early where a batch was broken. `told` hears how many schedules are done."""
    total, done = Outcome(), 0
    # Spawned, not forked: clients of Kafka in the parent have threads of their own.
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        runs = [pool.submit(play, stage, batch) for batch in _batches(seeds)]
        for one in runs:
            total.add(one.result())
            told(done := min(done + _A_BATCH, len(seeds)))
            if total.broken:
                pool.shutdown(cancel_futures=True)
                break
    return total


def _batches(seeds: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(seeds), _A_BATCH):
        yield seeds[start : start + _A_BATCH]
