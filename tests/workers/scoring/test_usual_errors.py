"""Entities without a model are judged by their own errors so far: the same whatever the batches, restarts, rebuilds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from models.features.frame import generic_features
from models.features.generic import GENERIC
from models.untrained.running import NEEDED, NOTE, Usual
from schemas.columns import Vectors
from schemas.records import decode
from schemas.vectors import encode_vectors
from tests.contract.stage_contract import (
    Cut,
    Run,
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    random_cut,
    run,
)
from tests.workers.scoring.vectors import LOG, SCORES, records, stage
from workers.runtime.records import Records
from workers.runtime.stage import NO_WATERMARK, Logged

KEY = b"usual/"
START = 1_772_409_600_000_000
FIVE_MINUTES = 300_000_000


def _vectors(
    entity: str,
    rows: int,
    seed: int,
    leap: int | None = None,
    metrics: Sequence[str] = ("load", "temp"),
    first: int = 0,
) -> Vectors:
    """Five-minute samples of noise around a level, from number `first` on; the first metric leaps by forty spreads at a
    row, and stays there.
    """
    rng = np.random.default_rng(seed)
    values = 50 + rng.normal(size=(rows, len(metrics)))
    if leap is not None:
        values[leap:, 0] += 40.0
    times = START + FIVE_MINUTES * np.arange(first + 1, first + rows + 1, dtype=np.int64) + seed
    names, found = generic_features(times, values, metrics)
    return Vectors(
        at=np.arange(rows, dtype=np.int32),
        profile="generic",
        profile_version=2,
        feature_set=GENERIC.hash,
        names=names,
        entity=[entity] * rows,
        window_start=times - FIVE_MINUTES,
        window_end=times,
        sequence=np.zeros(rows, np.int64),
        values=found,
        event_count=np.ones(rows, np.int64),
        late_count=np.zeros(rows, np.int64),
        skewed_count=np.zeros(rows, np.int64),
        silent=np.zeros(rows, np.bool_),
        retired=np.zeros(rows, np.bool_),
        regular=np.ones(rows, np.bool_),
    )


def _mixed(*several: Vectors) -> Records:
    """The vectors of several entities by time."""
    found = [(int(t), value) for one in several for t, value in zip(one.window_end, encode_vectors(one), strict=True)]
    return records([value for _, value in sorted(found, key=lambda pair: pair[0])])


def _run(given: Records) -> Run:
    one = stage()
    return run(one, one.start(3, NO_WATERMARK, []), given)


def _scores(result: Run, entity: str) -> list[dict[str, Any]]:
    found, faults = decode("Score", result.values(SCORES, entity.encode()))
    assert not faults
    return [one for one in found if one is not None]


def _logged(result: Run) -> list[tuple[bytes, bytes | None]]:
    found = [(key, value) for _, topic, key, value, _, _ in result.outputs if topic == LOG and key]
    return [(key, value) for key, value in found if key.startswith(KEY)]


def test_cuts_checkpoints_and_rebuilds_do_not_show() -> None:
    changed = _vectors("ç", 60, 3, metrics=("load", "queue", "temp"))  # comes again with another metric
    later = _vectors("ç", 50, 4, first=60)
    mixed = _mixed(_vectors("a", 110, 1, leap=90), _vectors("b", 110, 2), changed, later)
    cuts: list[Cut] = [1, 7, *(random_cut(len(mixed), seed) for seed in range(3))]
    assert_cuts_do_not_matter(stage(), mixed, cuts)
    for at in (1, 21, 100, 260):
        assert_restore_is_exact(stage(), mixed, at)
        assert_rebuild_is_exact(stage(), mixed, at)


def test_once_six_hours_are_known_a_leap_is_told_with_what_was_expected() -> None:
    scores = _scores(_run(_mixed(_vectors("a", 200, 1, leap=150))), "a")
    known = [i for i, one in enumerate(scores) if one["note"] == NOTE]
    assert 2 * NEEDED < min(known) < 3 * NEEDED, "a vector in ten or fifteen minutes is learned from"
    assert known == list(range(min(known), 200))
    assert all(scores[i]["anomaly_score"] < 1.0 for i in known if i < 150)
    leap = scores[150]
    assert leap["is_anomaly"]
    assert leap["contributions"][0]["metric"] == "load"
    assert leap["contributions"][0]["direction"] == "up"
    assert leap["contributions"][0]["share"] > 0.8
    band = leap["expected"][0]
    assert 43 < band["low"] < 50 < band["high"] < band["actual"]
    assert sum(one["share"] for one in leap["contributions"]) == pytest.approx(1.0)


def test_it_learns_once_in_six_to_fourteen_minutes_and_logs_what_it_then_knows() -> None:
    logged = _logged(_run(_mixed(_vectors("a", 100, 1))))
    known = [Usual.decode(value) for _, value in logged if value]
    assert {(b.last - a.last) // 60_000_000 for a, b in pairwise(known)} == {10, 15}
    assert all(360_000_000 <= one.due - one.last <= 840_000_000 for one in known)
    assert all(len(value) < 300 for _, value in logged if value)


def test_who_is_unseen_for_sixty_days_is_forgotten_and_the_log_told() -> None:
    gone, still = _vectors("gone", 10, 1), _vectors("still", 10, 2)
    later = _vectors("still", 3, 3, first=62 * 288)
    result = _run(_mixed(gone, still, later))
    assert [key for key, value in _logged(result) if value is None] == [KEY + b'["generic","gone"]']


def test_an_hour_of_outage_does_not_hide_the_next_one() -> None:
    hit = _vectors("a", 900, 1)
    rng = np.random.default_rng(1)
    values = 50 + rng.normal(size=(900, 2))
    for start in (600, 720):
        values[start : start + 12 : 2, 0] += 40.0
    hit.values[:] = generic_features(hit.window_end, values, ("load", "temp"))[1]
    scores = [one["anomaly_score"] for one in _scores(_run(_mixed(hit)), "a")]
    assert max(scores[600:616]) > 2.0
    assert max(scores[720:736]) > 1.0
    assert max(scores[660:720] + scores[780:]) < 1.0


def test_one_metric_of_many_may_be_trouble_alone() -> None:
    many = tuple(f"m{number:02d}" for number in range(30))
    scores = _scores(_run(_mixed(_vectors("a", 120, 1, leap=100, metrics=many))), "a")
    assert max(one["anomaly_score"] for one in scores[90:100]) < 0.8
    assert scores[100]["anomaly_score"] < 1.0, "forty spreads, once, of one metric of thirty"
    far = _vectors("a", 120, 1, metrics=many)
    values = 50 + np.random.default_rng(1).normal(size=(120, 30))
    values[100:, 4] += 100.0
    far.values[:] = generic_features(far.window_end, values, many)[1]
    told = _scores(_run(_mixed(far)), "a")[100]
    assert told["is_anomaly"]
    assert told["contributions"][0]["metric"] == "m04"


def test_what_another_version_has_logged_is_passed_over() -> None:
    one = stage()
    for value in (b"", b'[1,2,["load"]]\n123', b"null\n", b"\xff"):
        assert len(one.start(3, NO_WATERMARK, [Logged(KEY + b'["generic","a"]', value)]).errors.kept) == 0
