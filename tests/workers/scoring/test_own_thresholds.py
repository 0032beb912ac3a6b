"""Each entity's own threshold in the worker: found in record order, logged hourly, restored and rebuilt exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.registry import Aliases, Registry
from schemas.records import decode, encode
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
from tests.models.service_traffic import Pane, vectors
from tests.workers.scoring.vectors import LOG, POLICY, SCORES, block, promote, records, stage, trained
from workers.runtime.records import Records
from workers.runtime.stage import NO_WATERMARK, Control, Logged
from workers.scoring.controls import control_key, control_record
from workers.scoring.own_thresholds import KEY

HOUR_US = 3_600_000_000
DAYS = 63


@pytest.fixture
def served(tmp_path: Path) -> Path:
    registry = Registry(str(tmp_path))
    promote(registry, trained(), trained(seed=2))
    return tmp_path


def _hourly(
    entities: Sequence[str],
    hours: int,
    slow: Sequence[int] = (),
    gone_from: int = 1 << 30,
    every: int = HOUR_US,
) -> Records:
    """One vector an entity and hour (or another time); in those of `slow` the first entity answers ten times slower.

    The last entity is heard of no more from the hour `gone_from` on.
    """
    usual, ends = vectors(40, lambda i: Pane(median_ms=70.0), 1)
    odd, _ = vectors(40, lambda i: Pane(median_ms=700.0), 1)
    rows, names, times = [], [], []
    for hour in range(hours):
        for number, entity in enumerate(entities):
            if number == len(entities) - 1 and hour >= gone_from:
                continue
            rows.append((odd if number == 0 and hour in slow else usual)[30 + number % 10])
            names.append(entity)
            times.append(int(ends[30]) + hour * every + number * 1_000_000)
    return records([*encode_vectors(block(np.array(rows), np.array(times), names))])


def _scores(result: Run, entity: str, role: str = "champion") -> list[dict[str, Any]]:
    found, faults = decode("Score", result.values(SCORES, entity.encode()))
    assert not faults
    return [one for one in found if one is not None and one["model"]["role"] == role]


def _logged(result: Run) -> list[tuple[bytes, bytes | None]]:
    found = [(key, value) for _, topic, key, value, _, _ in result.outputs if topic == LOG and key]
    return [(key, value) for key, value in found if key.startswith(KEY)]


def test_cuts_checkpoints_and_rebuilds_do_not_show(served: Path) -> None:
    mixed = _hourly(("a", "b", "ç"), 60, slow=range(20, 60, 3))
    cuts: list[Cut] = [1, 7, *(random_cut(len(mixed), seed) for seed in range(3))]
    assert_cuts_do_not_matter(stage(served), mixed, cuts)
    for at in (1, 20, 61, 100, 150):
        assert_restore_is_exact(stage(served), mixed, at)
        point = assert_rebuild_is_exact(stage(served), mixed, at)
        assert point is not None
        assert int(mixed.offsets[at - 1]) + 1 - point.offset <= 2 * 3, "at most an hour of records is replayed"


def test_hundreds_of_entities_may_come_with_the_first_records(served: Path) -> None:
    many = _hourly([f"e{number}" for number in range(300)], 2)
    assert_cuts_do_not_matter(stage(served), many, [97])
    assert_restore_is_exact(stage(served), many, 450)
    assert_rebuild_is_exact(stage(served), many, 450)


def test_a_replay_from_before_a_first_promotion_does_not_score_by_it(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    promote(registry, trained("entity=a"))
    later = trained("entity=b")
    registry.save(later.manifest, later.files)
    mixed = _hourly(("b", "a"), 500, slow=range(9), every=10_000_000)  # b is slow before it has a model, then not
    one = stage(tmp_path)
    state = one.start(3, NO_WATERMARK, [])
    before = run(one, state, mixed.slice(0, 21))
    control = encode("Control", [control_record(("service", "entity=b"), Aliases(later.version), 1_000_000, "test")])[0]
    taken = one.take_up(state, int(mixed.offsets[21]), [Control(5, control_key(("service", "entity=b")), control)])
    after = run(one, state, mixed.slice(21, 24))
    point = one.rebuild_point(state)
    assert point is not None
    assert point.offset < int(mixed.offsets[21]), "the case is that a replay begins before it"
    entries = [(k, v) for _, topic, k, v, _, _ in before.outputs + after.outputs if topic == LOG and k]
    logged = {key: value for key, value in [*entries, *((o.key, o.value) for o in taken)] if key}
    again = stage(tmp_path)
    rebuilt = again.start(3, point.watermark, [Logged(k, v) for k, v in logged.items() if v])
    first = int(np.searchsorted(mixed.offsets, point.offset))
    run(again, rebuilt, mixed.slice(first, 24))
    tail = mixed.slice(24, len(mixed))
    assert run(again, rebuilt, tail).outputs == run(one, state, tail).outputs


def test_what_another_version_has_logged_is_passed_over(served: Path) -> None:
    one = stage(served)
    key = KEY + b'["service","champion","a"]'
    state = one.start(3, NO_WATERMARK, [Logged(key, b"of another size")])
    assert len(state.own) == 0


def test_an_entity_that_is_slow_again_and_again_needs_more_and_a_quiet_one_less(served: Path) -> None:
    one = stage(served)
    often = _hourly(("flapping", "quiet"), 24 * 14, slow=range(0, 24 * 14, 2))
    state = one.start(3, NO_WATERMARK, [])
    result = run(one, state, often)
    flapping, quiet = _scores(result, "flapping"), _scores(result, "quiet")
    assert "own threshold" in [score for score in flapping if score["is_anomaly"]][-1]["note"]
    raw = _threshold_of(flapping[-2:], flapping[:2])
    assert raw > 1.0
    assert quiet[-1]["anomaly_score"] > quiet[1]["anomaly_score"]


def _threshold_of(late: list[dict[str, Any]], early: list[dict[str, Any]]) -> float:
    """How much lower the same value is scored late than early."""
    before = float(max(score["anomaly_score"] for score in early))
    after = float(max(score["anomaly_score"] for score in late))
    return 1.0 + before - after


def test_an_outage_of_two_days_is_one_episode_and_stays_one(served: Path) -> None:
    outage = range(24 * 7, 24 * 9)
    result = run(stage(served), stage(served).start(3, NO_WATERMARK, []), _hourly(("down", "up"), 24 * 10, slow=outage))
    scores = _scores(result, "down")
    assert all(scores[hour]["is_anomaly"] for hour in outage)
    assert scores[outage.stop - 1]["anomaly_score"] >= scores[outage.start]["anomaly_score"] - 0.3
    assert not any(score["is_anomaly"] for score in scores[outage.stop + 2 :])


def test_a_change_is_logged_once_an_hour_and_champion_and_challenger_apart(served: Path) -> None:
    one = stage(served)
    often = _hourly(("a",), 3 * 360, slow=range(3 * 360), every=10_000_000)  # three hours, each score a change
    logged = _logged(run(one, one.start(3, NO_WATERMARK, []), often))
    assert {key for key, _ in logged} == {KEY + b'["service","champion","a"]', KEY + b'["service","challenger","a"]'}
    assert all(3 <= count <= 4 for count in Counter(key for key, _ in logged).values())


def test_what_nobody_has_heard_of_for_sixty_days_is_forgotten(served: Path) -> None:
    mixed = _hourly(("stays", "goes"), 24 * DAYS, gone_from=5)
    one = stage(served)
    state = one.start(3, NO_WATERMARK, [])
    logged = _logged(run(one, state, mixed))
    gone = [key for key, value in logged if value is None]
    assert gone == [KEY + b'["service","challenger","goes"]', KEY + b'["service","champion","goes"]']
    assert len(state.own) == 2
    for at in (len(mixed) - 40, len(mixed) - 12):
        assert_rebuild_is_exact(stage(served), mixed, at)
        assert_restore_is_exact(stage(served), mixed, at)


def test_with_the_setting_off_scores_are_as_calibrated(served: Path) -> None:
    mixed = _hourly(("a", "b"), 24 * 14, slow=range(0, 24 * 14, 2))
    one, plain = stage(served), stage(served, replace(POLICY, own_thresholds=False))
    state = plain.start(3, NO_WATERMARK, [])
    scores = _scores(run(plain, state, mixed), "a")
    assert len(state.own) == 0
    assert scores[-2]["anomaly_score"] == scores[0]["anomaly_score"]
    assert (
        _scores(run(one, one.start(3, NO_WATERMARK, []), mixed), "a")[-2]["anomaly_score"] < scores[0]["anomaly_score"]
    )


def test_the_untrained_rule_has_no_threshold_to_find() -> None:
    one = stage()
    state = one.start(3, NO_WATERMARK, [])
    result = run(one, state, _hourly(("a", "b"), 10))
    assert len(state.own) == 0
    assert not _logged(result)
