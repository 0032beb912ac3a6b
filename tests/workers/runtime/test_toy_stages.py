"""The stages that the runtime's own tests run keep the stage contract themselves."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.contract.stage_contract import (
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    random_cut,
)
from tests.model.inputs import values
from tests.support.toy_stages import Relay, Tally
from workers.runtime.records import Records


def some_records(seed: int, count: int = 120) -> Records:
    rng = random.Random(seed)
    made = values(rng, count)
    offsets = np.cumsum([rng.choice([1, 1, 1, 2, 4]) for _ in made]).astype(np.int64)  # markers take offsets too
    return Records(
        "in", 1, offsets, offsets * 1000, [key for key, _ in made], [value for _, value in made], [None] * count
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_outputs_of_tally_do_not_depend_on_cuts(seed: int) -> None:
    run = assert_cuts_do_not_matter(Tally("out", "log"), some_records(seed), [1, 7, random_cut(120, seed)])
    assert len(run.values("out")) > 30
    assert run.counts["dead"] > 0


@pytest.mark.parametrize("at", [0, 1, 30, 61, 119, 120])
def test_tally_is_restored_and_rebuilt_exactly(at: int) -> None:
    for seed in range(4):
        records = some_records(seed)
        assert_restore_is_exact(Tally("out", "log"), records, at)
        assert_rebuild_is_exact(Tally("out", "log"), records, at)


def test_the_outputs_of_relay_do_not_depend_on_cuts() -> None:
    run = assert_cuts_do_not_matter(Relay("out"), some_records(3), [1, 7, random_cut(120, 3)])
    assert len(run.values("out")) > 100
