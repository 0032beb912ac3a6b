"""Drift records of the scoring worker: one a day and entity, the same whatever the batches, restarts and rebuilds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.drift import SHIFTED
from models.registry import Aliases, Registry
from schemas.records import decode, encode
from schemas.vectors import encode_vectors
from tests.contract.stage_contract import (
    Run,
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    random_cut,
    run,
)
from tests.models.service_traffic import Pane, vectors
from tests.workers.scoring.vectors import DRIFT, LOG, POLICY, block, promote, records, stage, trained
from workers.runtime.records import Records
from workers.runtime.stage import NO_WATERMARK, Control, Logged
from workers.scoring.controls import control_key, control_record
from workers.scoring.drift import Day
from workers.scoring.sampled import PAUSE_US, SPREAD_US

KEY = b"drift/"
DAY_US = 86_400_000_000
FIVE_MINUTES = 300_000_000
MONDAY = 1_772_409_600_000_000
"""2026-03-02T00:00Z."""


@pytest.fixture
def served(tmp_path: Path) -> Path:
    promote(Registry(str(tmp_path)), trained(), trained(seed=2))
    return tmp_path


def _days(
    days: float, slow_from: float = 99.0, every: int = FIVE_MINUTES, entities: tuple[str, ...] = ("a", "b")
) -> Records:
    """Vectors of services by the clock; the first one answers ten times slower from some day on."""
    usual, _ = vectors(360, lambda i: Pane(median_ms=70.0), 50)  # as in training
    slow, _ = vectors(360, lambda i: Pane(median_ms=700.0), 50)
    rows, names, times = [], [], []
    for number in range(int(days * DAY_US / every)):
        for place, entity in enumerate(entities):
            late = place == 0 and number * every >= slow_from * DAY_US
            rows.append((slow if late else usual)[30 + 7 * number % 330])
            names.append(entity)
            times.append(MONDAY + (number + 1) * every + place * 1_000_000)
    return records([*encode_vectors(block(np.array(rows), np.array(times), names))])


def _drift(result: Run, entity: str) -> list[dict[str, Any]]:
    found, faults = decode("Drift", result.values(DRIFT, entity.encode()))
    assert not faults
    return [one for one in found if one is not None]


def _run(folder: Path, given: Records) -> Run:
    one = stage(folder)
    return run(one, one.start(3, NO_WATERMARK, []), given)


def test_each_whole_day_of_an_entity_gives_a_record_at_its_end(served: Path) -> None:
    found = _drift(_run(served, _days(3.2)), "b")
    assert [one["time"] for one in found] == [MONDAY + day * DAY_US for day in (1, 2, 3)]
    assert {(one["profile"], one["scope"], one["version"]) for one in found} == {
        ("service", "global", trained().version)
    }
    assert all(one["score_mean"] < 0.8 and one["alarm_rate"] < 0.05 for one in found)
    assert {feature["feature"] for feature in found[0]["psi"]} > {"latency_p99_ms_5m", "events_count_5m"}


def test_a_lasting_change_shows_in_the_features_that_changed_the_scores_and_the_alarms(served: Path) -> None:
    before, after = _drift(_run(served, _days(2.1, slow_from=1.0)), "a")
    index = [{one["feature"]: one["psi"] for one in day["psi"]} for day in (before, after)]
    assert index[1]["latency_p95_ms_5m"] > index[0]["latency_p95_ms_5m"] + SHIFTED
    assert index[1]["errors_ratio_5m"] < index[0]["errors_ratio_5m"] + SHIFTED
    assert after["score_mean"] > before["score_mean"] + 0.5
    assert after["alarm_rate"] > 0.5 > before["alarm_rate"]


def test_metrics_count_what_the_records_say(served: Path) -> None:
    result = _run(served, _days(3.2, slow_from=1.0))
    days = [day for entity in ("a", "b") for day in _drift(result, entity)]
    psi = [one["psi"] for day in days for one in day["psi"]]
    windows = sum(day["windows"] for day in days)
    assert result.counts["drift_records"] == len(days) == 6
    assert result.counts["drift_shifted"] == sum(bool(day["shifted"]) for day in days)
    assert result.counts["drift_windows"] == windows
    assert result.counts["drift_features"] == len(psi)
    assert result.counts["drift_features_shifted"] == sum(len(day["shifted"]) for day in days)
    assert result.counts["drift_psi_thousandths"] / 1_000 == pytest.approx(sum(psi), abs=0.01)
    scores = sum(day["windows"] * day["score_mean"] for day in days)
    assert result.counts["drift_score_thousandths"] / 1_000 == pytest.approx(scores, abs=0.01)
    assert result.counts["drift_anomalous"] == sum(round(day["windows"] * day["alarm_rate"]) for day in days)


def test_cuts_checkpoints_and_rebuilds_do_not_show(served: Path) -> None:
    given = _days(2.1, slow_from=1.0, every=2 * FIVE_MINUTES, entities=("a", "b", "ç"))
    assert_cuts_do_not_matter(stage(served), given, [13, random_cut(len(given), 1)])
    for at in (1, 431, 600, 866):
        assert_restore_is_exact(stage(served), given, at)
        assert_rebuild_is_exact(stage(served), given, at)


def test_of_windows_of_ten_seconds_one_in_some_ten_minutes_is_counted(served: Path) -> None:
    given = _days(0.25, every=10_000_000)
    key = KEY + b'["service","a"]'
    days = [Day.decode(value) for value in _run(served, given).values(LOG, key) if value]
    assert [day.windows for day in days] == list(range(1, len(days) + 1))
    times = np.array([day.last for day in days])
    assert 30 <= len(days) <= 43, "of six hours"
    assert PAUSE_US <= np.diff(times).min() < np.diff(times).max() <= PAUSE_US + SPREAD_US
    assert len(set((times // 10_000_000 % 60).tolist())) > 15, "at all seconds of the ten minutes"
    assert (days[-1].cells.sum(axis=1) == len(days)).all()


def test_an_entity_that_comes_late_or_seldom_gives_no_record_of_that_day(served: Path) -> None:
    given = _days(2.2, every=2 * 3_600_000_000)  # twelve windows a day
    assert not _drift(_run(served, given), "a")


def test_a_new_champion_begins_the_day_anew(served: Path) -> None:
    given, later = _days(2.2), trained(seed=3)
    Registry(str(served)).save(later.manifest, later.files)
    one = stage(served)
    state = one.start(3, NO_WATERMARK, [])
    first = run(one, state, given.slice(0, 288))
    control = encode("Control", [control_record(("service", "global"), Aliases(later.version), MONDAY, "test")])[0]
    one.take_up(state, int(given.offsets[288]), [Control(5, control_key(("service", "global")), control)])
    rest = run(one, state, given.slice(288, len(given)))
    assert not _drift(first, "a")
    found = _drift(rest, "a")
    assert [one["version"] for one in found] == [later.version] * 2


def test_who_was_not_heard_of_for_sixty_days_is_forgotten(served: Path) -> None:
    early = _days(0.2, entities=("gone",))
    one = stage(served)
    state = one.start(3, NO_WATERMARK, [])
    run(one, state, early)
    rows, _ = vectors(40, lambda i: Pane(median_ms=70.0), 1)
    ends = np.array([MONDAY + 62 * DAY_US])
    result = run(one, state, records(encode_vectors(block(rows[30:31], ends, ["stays"])), first=200))
    dropped = [key for _, topic, key, value, _, _ in result.outputs if topic == LOG and key and value is None]
    assert KEY + b'["service","gone"]' in dropped
    assert len(state.drift.kept) == 1


def test_what_another_version_has_logged_is_passed_over(served: Path) -> None:
    state = stage(served).start(3, NO_WATERMARK, [Logged(KEY + b'["service","a"]', b"of another form")])
    assert len(state.drift.kept) == 0


def test_with_the_setting_off_and_without_a_model_there_is_none(served: Path) -> None:
    given = _days(1.1)
    for one in (stage(served, replace(POLICY, watch_drift=False)), stage()):
        state = one.start(3, NO_WATERMARK, [])
        assert not run(one, state, given).values(DRIFT, b"a")
        assert len(state.drift.kept) == 0
