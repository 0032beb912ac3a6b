"""Training: deterministic, honest about too little data, and the models it gives know the time of day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.bundle import Bundle, open_bundle
from models.ensembles import Ensemble
from models.features.generic import generic_names
from models.features.service import SERVICE
from models.manifest import MANIFEST
from models.periods import ALL, PERIODS, Calendar
from models.scored import Scored
from models.table import VectorTable, learned, tables_of
from models.train import TrainedBundle, TrainingError, TrainPolicy, train, train_entities
from schemas.columns import Vectors
from tests.models.learned import FIVE_MINUTES, NAMES, QUICK, START, bundle, table

QUEUE, CPU = NAMES.index("queue"), NAMES.index("cpu_ratio")


def _open(trained: TrainedBundle) -> Bundle:
    return open_bundle(lambda name: trained.manifest.encode() if name == MANIFEST else trained.files[name])


def _score(trained: TrainedBundle, rows: VectorTable, period: str = ALL) -> Scored:
    opened = _open(trained)
    return opened.period(period).score(rows.values, opened.manifest.calendar.place(rows.window_end))


def test_the_same_data_and_seed_give_the_same_version_and_bytes() -> None:
    rows = table(days=2)
    once, again = train(rows), train(rows)
    assert once.version == again.version
    assert once.files == again.files


def test_another_seed_or_another_row_gives_another_version() -> None:
    other = table(days=2)
    other.values[100, CPU] += 0.5
    rows = table(days=2)
    versions = {
        train(rows, "global", QUICK).version,
        train(rows, "global", replace(QUICK, seed=1)).version,
        train(other, "global", QUICK).version,
    }
    assert len(versions) == 3


def test_two_weeks_give_a_model_of_all_hours_and_of_each_period() -> None:
    manifest = bundle().manifest
    assert set(manifest.periods) == {ALL, *PERIODS}
    assert manifest.training.rows == 14 * 288
    assert manifest.training.rows_a_day == 288
    assert manifest.training.alpha == pytest.approx(0.5 / 288)
    assert manifest.features == NAMES


def test_a_period_with_too_few_rows_or_days_is_served_by_the_model_of_all_hours() -> None:
    two_days = train(table(days=2), "global", replace(QUICK, min_period_rows=20, min_period_days=2))
    assert set(two_days.manifest.periods) == {ALL, "business_hours", "evening_hours", "night_hours"}
    assert _open(two_days).period_for("weekend_day") == ALL
    assert _open(two_days).period_for("night_hours") == "night_hours"


def test_new_ordinary_data_is_flagged_about_as_often_as_was_asked_for() -> None:
    fresh = table(days=28, seed=9)
    flagged = float(np.mean(_score(bundle(), fresh).score >= 1.0))
    assert flagged <= 4 * bundle().manifest.training.alpha


def test_a_value_out_of_its_hour_is_flagged_though_other_hours_know_it() -> None:
    rows = table(days=1, seed=3)
    three_in_the_morning, three_in_the_afternoon = 3 * 12, 15 * 12
    rows.values[three_in_the_morning, CPU] = rows.values[three_in_the_afternoon, CPU]
    scored = _score(bundle(), rows)
    assert scored.score[three_in_the_morning] >= 1.0
    assert scored.score[three_in_the_afternoon] < 1.0
    assert scored.reasons.metric[three_in_the_morning, 0] == CPU
    assert not scored.reasons.up[three_in_the_morning, 0]


def test_the_larger_deviation_scores_higher_and_is_explained_with_its_range() -> None:
    rows = table(days=1, seed=3).take(np.arange(100, 104))
    rows.values[:, QUEUE] = (50.0, 56.0, 62.0, 90.0)
    scored = _score(bundle(), rows)
    assert (np.diff(scored.score) > 0).all()
    assert scored.score[0] < 1.0 <= scored.score[2]
    assert scored.reasons.metric[3, 0] == QUEUE
    assert scored.reasons.actual[3, 0] == 90.0
    assert 45.0 < scored.reasons.low[3, 0] < 50.0 < scored.reasons.high[3, 0] < 55.0
    assert scored.reasons.up[3, 0]
    assert scored.reasons.share[3].sum() == pytest.approx(1.0)
    assert scored.confidence[3] > 0.9


def test_a_vector_scores_the_same_alone_in_company_and_in_any_order() -> None:
    rows = table(days=2, seed=5)
    rows.values[50:60, QUEUE] += 8.0
    together = _score(bundle(), rows)
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = _score(bundle(), rows.take(order))
    assert shuffled.score.tobytes() == together.score[order].tobytes()
    assert shuffled.reasons.share.tobytes() == together.reasons.share[order].tobytes()
    for i in range(40, 70):
        alone = _score(bundle(), rows.take(np.array([i])))
        assert alone.score.tobytes() == together.score[i : i + 1].tobytes()
        assert alone.confidence.tobytes() == together.confidence[i : i + 1].tobytes()
        assert alone.reasons.low.tobytes() == together.reasons.low[i : i + 1].tobytes()


def test_missing_values_and_unknown_metrics_are_taken_as_they_come() -> None:
    rows = table(days=1, seed=3)
    opened = _open(bundle())
    names = ("unheard_of", "queue")
    values = np.column_stack([np.full(len(rows), 1e9), rows.values[:, QUEUE]])
    aligned = opened.align(names, values)
    assert np.isnan(aligned[:, CPU]).all()
    places = opened.manifest.calendar.place(rows.window_end)
    assert np.isfinite(opened.period(ALL).score(aligned, places).score).all()
    nothing = opened.period(ALL).score(np.full((1, len(NAMES)), np.nan), places.take(np.arange(1)))
    assert nothing.score[0] < 1.0


def test_anomalies_in_the_training_data_are_trimmed_and_still_found() -> None:
    dirty = table()
    dirty.values[::150, QUEUE] = 90.0
    trained = train(dirty, "global", QUICK)
    assert trained.manifest.training.trimmed >= 20
    assert trained.manifest.periods[ALL].rows == len(dirty) - trained.manifest.training.trimmed
    rows = table(days=1, seed=3).take(np.arange(100, 102))
    rows.values[1, QUEUE] = 90.0
    scored = _score(trained, rows)
    assert scored.score[0] < 1.0 <= scored.score[1]


def test_too_little_data_is_refused_with_what_is_missing() -> None:
    short = table().take(np.arange(199))
    with pytest.raises(TrainingError, match="199 vectors are too few to learn from, 200 are needed"):
        train(short)
    empty = replace(table(), values=np.full((14 * 288, len(NAMES)), np.nan))
    with pytest.raises(TrainingError, match="no feature has values"):
        train(empty)


def test_each_entity_gets_a_bundle_of_its_own_or_a_reason() -> None:
    both = table(days=3, entities=("a", "b"))
    rows = np.flatnonzero((both.entity == 0) | (both.window_end < START + 50 * FIVE_MINUTES))
    first, second = train_entities(both.take(rows), QUICK)
    assert isinstance(first, TrainedBundle)
    assert first.manifest.scope == "entity=a"
    assert second == "b: 49 vectors are too few to learn from, 200 are needed"


def test_the_calendar_of_training_is_that_of_scoring() -> None:
    policy = replace(QUICK, calendar=Calendar("Asia/Tokyo", ("2026-03-03",)))
    assert _open(train(table(days=3), "global", policy)).manifest.calendar == policy.calendar


def test_entities_and_profiles_elsewhere_have_calendars_of_their_own() -> None:
    tokyo, berlin, york = Calendar("Asia/Tokyo"), Calendar("Europe/Berlin"), Calendar("America/New_York")
    policy = replace(QUICK, elsewhere=(("generic", berlin), ("entity=tokyo-*", tokyo), ("group=us", york)))
    scopes = ("entity=tokyo-1", "entity=b", "group=us", "global")
    assert [policy.at("generic", scope).calendar for scope in scopes] == [tokyo, berlin, york, berlin]
    assert [policy.at("host", scope).calendar for scope in scopes] == [tokyo, QUICK.calendar, york, QUICK.calendar]
    both = table(entities=("tokyo-1", "b"))
    trained = [one for one in train_entities(both, policy) if isinstance(one, TrainedBundle)]
    assert {one.manifest.scope: one.manifest.calendar for one in trained} == {
        "entity=tokyo-1": tokyo,
        "entity=b": berlin,
    }


def test_wrong_use_is_refused_by_name() -> None:
    with pytest.raises(TrainingError, match="contamination"):
        TrainPolicy(contamination=0.7)
    for names, said in ((["magic"], "no detector 'magic'"), (["neighbours@magic"], "no view 'magic'"), ([], "given")):
        with pytest.raises(ValueError, match=said):
            Ensemble.of(names)


def test_a_thousand_rows_are_learned_in_about_a_second() -> None:
    from time import process_time

    rows = table().take(np.arange(1_000))
    train(rows)
    start = process_time()
    train(rows)
    assert process_time() - start < 5.0  # about 0.6 s on an idle core


def test_of_rolling_statistics_only_those_that_say_something_of_their_own_are_learned() -> None:
    names = generic_names(("m",))
    kept = [name for name, use in zip(names, learned(names), strict=True) if use]
    rolling = ["m", "m__mean_5", "m__mean_10", "m__mean_30", "m__std_5", "m__std_10", "m__std_30"]
    assert kept == [*rolling, "m__delta", "m__delta_before", "m__delta_before_2"]


def test_of_a_service_nothing_is_learned_that_stays_disturbed_long_after_an_anomaly() -> None:
    kept = [name for name, use in zip(SERVICE.names, learned(SERVICE.names), strict=True) if use]
    assert "latency_p50_ms_5m" in kept
    assert "events_count" in kept
    assert not [name for name in kept if name.endswith(("_30m", "_24h")) or "change" in name or "time" in name]


def test_an_anomaly_does_not_make_the_rows_behind_it_usual() -> None:
    disturbed = table()
    for start in range(50, 14 * 288, 200):  # 1 % of the rows are peaks, and each drags five rows along
        disturbed.values[start : start + 6, QUEUE] = (90.0, 85.0, 80.0, 75.0, 70.0, 65.0)
    trained = train(disturbed, "global", QUICK)
    assert trained.manifest.training.trimmed == pytest.approx(6 * 20, abs=30)
    rows = table(days=1, seed=3).take(np.arange(100, 103))
    rows.values[1:, QUEUE] = (65.0, 90.0)
    scored = _score(trained, rows)
    assert scored.score[0] < 1.0 <= scored.score[1] < scored.score[2]


def test_clean_training_data_loses_next_to_nothing() -> None:
    assert train(table(), "global", QUICK).manifest.training.trimmed <= 4


def test_blocks_with_different_metrics_become_one_table_without_their_silent_rows() -> None:
    def block(entity: str, names: tuple[str, ...], silent: int) -> Vectors:
        ends = START + FIVE_MINUTES * np.arange(3, dtype=np.int64)
        no, nothing = np.zeros(3, np.bool_), np.zeros(3, np.int64)
        values = np.arange(3.0 * len(names)).reshape(3, -1)
        quiet = np.arange(3) == silent
        at = np.arange(3, dtype=np.int32)
        return Vectors(
            at,
            "generic",
            1,
            "h",
            names,
            [entity] * 3,
            ends - 1,
            ends,
            nothing,
            values,
            nothing,
            nothing,
            nothing,
            quiet,
            no,
            no,
        )

    (found,) = tables_of([block("b", ("x", "x__z_30"), 1), block("a", ("y", "x"), 9)])
    assert found.names == ("x", "y")
    assert found.entities == ("a", "b")
    assert found.entity.tolist() == [0, 0, 0, 1, 1]
    expected = np.array([[1, 0], [3, 2], [5, 4], [0, np.nan], [4, np.nan]])
    assert np.array_equal(found.values, expected, equal_nan=True)
