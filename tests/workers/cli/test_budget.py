"""An alert budget: what it states, what it buys, and that models keep to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.severity import SeverityCuts
from models.thresholds import Series
from models.train import HeldOut
from workers.cli.budget import Budget, buy
from workers.incidents.policy import Policy

ROWS_A_DAY = 288.0
FIVE_MINUTES = 300_000_000


def held_out(days: int, entities: int, seed: int, thinned: int = 1, alpha: float = 0.5 / 288) -> HeldOut:
    """Scores as calibration promises them: exceeding s is as rare as α^s; in runs of five windows."""
    rng = np.random.default_rng(seed)
    rows = int(days * ROWS_A_DAY)
    score = np.concatenate(
        [np.repeat(np.log(rng.random(rows // 5 + 1)) / np.log(alpha), 5)[:rows] for _ in range(entities)]
    )
    time = np.tile(np.arange(rows, dtype=np.int64) * FIVE_MINUTES, entities)
    entity = np.repeat(np.arange(entities, dtype=np.int32), rows)
    order = np.argsort(time, kind="stable")[::thinned]
    return HeldOut(score[order], Series(entity[order], time[order]), alpha, ROWS_A_DAY, float(thinned))


def bought(text: str, held: HeldOut, entities: int, own: bool = False) -> tuple[float, int, bool]:
    found = buy(Budget.parse(text), entities, held, Policy(), SeverityCuts(), own)
    return found.alpha, found.incidents, found.within


@pytest.mark.parametrize(
    ("text", "a_day"), [("3/week", 3 / 7), ("0.5/day", 0.5), (" 10 / month ", 1 / 3), ("1/week", 1 / 7)]
)
def test_a_budget_is_so_many_incidents_in_some_time(text: str, a_day: float) -> None:
    assert Budget.parse(text).each(1) == pytest.approx(a_day)
    assert Budget.parse(text).each(4) == pytest.approx(a_day / 4)


@pytest.mark.parametrize("text", ["", "3", "3/year", "week", "-1/day", "0/day", "three/week"])
def test_what_is_no_budget_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 3/week"):
        Budget.parse(text)


@pytest.mark.parametrize("own", [False, True])
def test_more_budget_buys_more_incidents_and_never_more_than_it_allows(own: bool) -> None:
    held = held_out(days=30, entities=4, seed=1)
    found = [bought(text, held, 4, own) for text in ("1/week", "4/week", "2/day")]
    alphas, incidents, within = zip(*found, strict=True)
    assert list(alphas) == sorted(alphas)
    assert alphas[0] < alphas[2]
    assert all(within)
    for count, a_day in zip(incidents, (1 / 7, 4 / 7, 2.0), strict=True):
        assert count <= a_day * 30
    assert incidents[2] >= 0.4 * 2 * 30  # the rates tried are a factor of 1.4 apart


def test_entities_share_a_budget() -> None:
    held = held_out(days=30, entities=4, seed=2)
    assert bought("4/week", held, 4)[0] > bought("4/week", held, 40)[0]


def test_of_thinned_rows_each_stands_for_those_left_out() -> None:
    whole, thinned = (bought("2/day", held_out(60, 1, seed=3, thinned=n), 1) for n in (1, 3))
    assert 0.25 <= thinned[0] / whole[0] <= 4.0
    assert thinned[1] <= 2 * 60


def test_a_budget_below_what_the_strictest_rate_gives_says_so() -> None:
    held = held_out(days=30, entities=1, seed=4)
    always = HeldOut(np.where(np.arange(len(held.score)) % 60 < 5, 10.0, 0.0), held.series, held.alpha, 288.0, 1.0)
    found = buy(Budget.parse("1/month"), 1, always, Policy(), SeverityCuts(), False)
    assert not found.within
    assert "strictest" in found.sentence(Budget.parse("1/month"), 1)


def test_anomalies_that_training_left_out_are_not_taken_for_usual_when_a_budget_is_bought() -> None:
    held = held_out(days=30, entities=1, seed=4)
    busy = replace(held, score=np.where(np.arange(len(held.score)) % 60 < 5, 1.3, held.score))
    found = [
        buy(Budget.parse("2/week"), 1, replace(busy, known=known), Policy(), SeverityCuts(), True)
        for known in (0.0, 50.0)
    ]
    assert found[1].alpha < found[0].alpha / 2
