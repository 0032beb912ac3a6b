"""Views and ensembles: who sees what, in which units, and which ensemble suits which features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.bundle import open_bundle
from models.ensembles import LEVELS, THREE_VIEWS, TWO_WINDOWS, Ensemble, MemberName, default_for
from models.features.generic import GENERIC, generic_names
from models.features.host import HOST
from models.features.service import SERVICE, service_set, window_length
from models.manifest import MANIFEST
from models.model import fuse
from models.naming import naming
from models.periods import ALL as ALL_HOURS
from models.scored import Scored
from models.table import VectorTable
from models.train import TrainedBundle, TrainPolicy, train
from models.views import (
    ALL,
    DAILY,
    DAY,
    LONGER,
    NOW,
    RAW,
    SEQUENCE,
    SEQUENCES,
    SHORTEST,
    STEPS,
    VIEWS,
    View,
    columns_of,
    windows_of,
)
from tests.models.learned import FIVE_MINUTES, START

NAMES = generic_names(("load", "still"))


def _table(rows: int = 2_000, seed: int = 0, jump: int | None = None) -> VectorTable:
    """Five-minute samples of two metrics with what models learn of them; one leaps and stays from `jump` on."""
    rng = np.random.default_rng(seed)
    load = 50 + np.cumsum(rng.normal(size=rows)) * 0.1 + rng.normal(size=rows)
    if jump is not None:
        load[jump:] += 60
    return _vectors(load)


def _vectors(load: np.ndarray) -> VectorTable:
    """What models learn of `load`, five minutes a sample, beside a metric that stands still."""
    rows = len(load)
    X = np.full((rows, len(NAMES)), np.nan)
    step = np.diff(load, prepend=load[0])
    for name, column in {"load": load, "still": np.full(rows, 3.0)}.items():
        at = NAMES.index(name)
        X[:, at] = column
        for statistic, width in (("mean_5", 5), ("mean_10", 10), ("mean_30", 30)):
            X[:, NAMES.index(f"{name}__{statistic}")] = _trailing(column, width, np.mean)
            X[:, NAMES.index(f"{name}__{statistic.replace('mean', 'std')}")] = _trailing(column, width, np.std)
        for lag, statistic in enumerate(STEPS):
            moved = step if name == "load" else np.zeros(rows)
            X[:, NAMES.index(f"{name}__{statistic}")] = np.roll(moved, lag)
    times = START + FIVE_MINUTES * np.arange(1, rows + 1, dtype=np.int64)
    return VectorTable("generic", 2, GENERIC.hash, NAMES, ("a",), np.zeros(rows, np.int32), times, X)


def _daily(rows: int, seed: int = 0, stuck: int | None = None) -> VectorTable:
    """A metric that moves slowly between 10 at midnight and 90 at noon; from `stuck` on at 50 for six hours."""
    rng = np.random.default_rng(seed)
    hours = (np.arange(1, rows + 1) / 12.0) % 24.0
    load = 50.0 - 40.0 * np.cos(2.0 * np.pi * hours / 24.0)
    if stuck is not None:
        load[stuck : stuck + 72] = 50.0
    return _vectors(load + rng.normal(size=rows))


def _trailing(x: np.ndarray, width: int, of: object) -> np.ndarray:
    return np.array([of(x[max(0, i - width + 1) : i + 1]) for i in range(len(x))])  # type: ignore[operator]


def _scored(trained: TrainedBundle, rows: VectorTable) -> Scored:
    opened = open_bundle(lambda name: trained.manifest.encode() if name == MANIFEST else trained.files[name])
    return opened.period(ALL_HOURS).score(rows.values, opened.manifest.calendar.place(rows.window_end))


def _score(trained: TrainedBundle, rows: VectorTable) -> tuple[np.ndarray, list[str]]:
    scored = _scored(trained, rows)
    features = trained.manifest.features
    names = [features[i] if i >= 0 else "" for i in scored.reasons.feature[:, 0].tolist()]
    return scored.score, names


@pytest.fixture(scope="module")
def trained() -> TrainedBundle:
    return train(_table())


def test_samples_are_seen_in_three_views_and_services_in_two_windows() -> None:
    assert default_for(NAMES) == default_for(HOST.names) == THREE_VIEWS
    assert default_for(SERVICE.names) == TWO_WINDOWS
    assert default_for([name for name in SERVICE.names if not name.endswith(("_5m", "_30m"))]) == LEVELS


def test_the_view_of_now_holds_what_is_away_from_where_it_was_and_unlike_its_hour() -> None:
    names = ("x", "x__mean_30", "x__delta", "y__mean_30")
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=200), np.zeros(200), np.zeros(200), np.zeros(200)])
    view = View.fit(NOW, naming(names), X)
    assert view.columns.tolist() == [0, 1]
    assert view.features.tolist() == [0]
    rows = np.array([[8.0, 0.0], [8.0, 0.0], [8.0, 7.5], [0.0, 8.0], [-8.0, 0.0], [np.nan, 0.0]])
    rows = np.column_stack([rows, np.zeros((6, 2))])
    scaled = np.zeros((6, 4))
    scaled[:, 0] = (5.0, -5.0, 50.0, -0.1, -50.0, np.nan)
    away = view.of(rows, scaled)[:, 0]
    assert away[0] == 5.0, "as far as the hour says, which is nearer"
    assert away[1] == 0.0, "they disagree"
    assert 0.3 < away[2] < 0.8, "there it has been for long"
    assert away[3] == -0.1, "back to normal"
    assert -10.0 < away[4] < -6.0
    assert away[5] == 0.0
    again = View.from_arrays(NOW, 4, view.to_arrays())
    assert again.of(rows, scaled).tobytes() == view.of(rows, scaled).tobytes()
    with pytest.raises(ValueError, match="no view"):
        View.from_arrays(NOW, 4, {name: array[:1] for name, array in view.to_arrays().items()})


def _spiky(seed: int) -> tuple[VectorTable, np.ndarray]:
    """Two weeks of a metric that is far off in one row of twenty, and in which it is."""
    rng = np.random.default_rng(seed)
    odd = np.zeros(14 * 288, np.bool_)
    odd[rng.permutation(14 * 288 // 4)[: 14 * 288 // 20] * 4] = True
    load = 50.0 + rng.normal(size=len(odd)) + np.where(odd, rng.uniform(20.0, 60.0, len(odd)), 0.0)
    return _vectors(load), odd


def test_where_anomalies_are_many_they_are_left_out_and_steps_back_to_normal_are_none() -> None:
    rows, odd = _spiky(seed=0)
    many = train(rows)
    entry = many.manifest.periods[ALL_HOURS]
    assert entry.members == ("neighbours@now", "neighbours@rolling", "neighbours@steps", "neighbours@daily")
    assert entry.fusion == "led"
    assert 0.9 * odd.sum() < many.manifest.training.trimmed < 1.5 * odd.sum()
    later, off = _spiky(seed=1)
    scored = _scored(many, later)
    assert (scored.score[off] >= 1.0).mean() > 0.95
    assert (scored.score[~off] >= 1.0).mean() < 0.01
    named = {many.manifest.features[i] for i in scored.reasons.feature[off, 0].tolist()}
    assert named <= {"load", "load__delta"}
    asked = train(rows, policy=TrainPolicy(THREE_VIEWS)).manifest.periods[ALL_HOURS]
    assert asked.members == ("neighbours@rolling", "neighbours@steps", "neighbours@daily"), "what is asked for stays"


def test_a_rare_value_of_two_days_is_no_anomaly_that_training_was_full_of() -> None:
    """A metric of a few values leaves gaps between them, which look like those before another population."""
    rng = np.random.default_rng(0)
    values = rng.choice([0.134, 0.132, 0.066, 0.2], 600, p=[0.53, 0.25, 0.2, 0.02])
    few = train(_vectors(values))
    assert few.manifest.periods[ALL_HOURS].members == ("neighbours@rolling", "neighbours@steps", "neighbours@daily")
    assert few.manifest.training.trimmed == 0


def test_a_windows_view_holds_what_that_window_says() -> None:
    assert {SERVICE.names[i].rpartition("_")[2] for i in columns_of(SHORTEST, SERVICE.names)} == {"1m"}
    assert {SERVICE.names[i].rpartition("_")[2] for i in columns_of(LONGER, SERVICE.names)} == {"5m"}
    own = service_set("own", windows=(120_000_000, 600_000_000, 3_600_000_000)).names
    assert {own[i].rpartition("_")[2] for i in columns_of(LONGER, own)} == {"10m"}
    assert [window_length(window) for window in windows_of(own)] == [120_000_000, 600_000_000, 3_600_000_000]
    assert len(columns_of(SHORTEST, HOST.names)) == 0


def test_where_the_first_member_leads_the_others_may_say_twice_as_much_and_nothing_without_it() -> None:
    first, second, third = (
        np.array([0.0, 0.4, 0.6, 3.0]),
        np.array([5.0, 0.7, 5.0, 1.0]),
        np.array([0.0, 0.1, 9.0, 0.0]),
    )
    assert fuse("led", [first, second, third], [1.0] * 3).tolist() == [0.0, 0.7, 1.2, 3.0]
    assert fuse("led", [first], [1.0]).tolist() == first.tolist()


def test_the_default_is_written_into_the_bundle_and_read_back(trained: TrainedBundle) -> None:
    entry = trained.manifest.periods[ALL_HOURS]
    assert entry.members == ("neighbours@rolling", "neighbours@steps", "neighbours@daily")
    assert entry.fusion == "max"
    assert trained.manifest.training.trimmed == 0


def test_a_leap_is_told_by_the_view_that_saw_it(trained: TrainedBundle) -> None:
    usual, _ = _score(trained, _table(seed=1))
    assert np.mean(usual >= 1.0) < 0.02
    score, names = _score(trained, _table(seed=1, jump=1_000))
    assert score[1_000] >= 2.0
    assert names[1_000].startswith("load")
    assert names[1_040].startswith("load__mean"), "by then only the rolling means are unlike what was seen"


def test_a_view_is_in_shares_of_the_metrics_own_range() -> None:
    named = naming(("x", "x__delta", "y__delta", "z", "z__delta"))
    X = np.array([[0.0, 1.0, 5.0, 7.0, 0.0], [10.0, 3.0, 7.0, 7.0, 0.0], [np.nan, np.nan, 6.0, 7.0, 0.0]])
    view = View.fit("steps", named, X)
    assert view.columns.tolist() == [1, 2, 4]
    assert view.unit.tolist() == [10.0, 2.0, np.inf]  # y has no level: its own range; z never moved
    assert view.centre.tolist() == [2.0, 6.0, 0.0]
    seen = view.of(X, X)
    assert seen[0].tolist() == [-0.1, -0.5, 0.0]
    assert np.isnan(seen[2, 0])


def test_the_view_of_all_leaves_the_older_steps_to_the_view_of_steps() -> None:
    assert [name for i, name in enumerate(NAMES) if i not in columns_of(ALL, NAMES)] == [
        f"{metric}__{older}" for metric in ("load", "still") for older in STEPS[1:]
    ]


def test_a_sequence_is_the_last_samples_themselves_oldest_first() -> None:
    table = _table(200)
    load = table.values[:, NAMES.index("load")]
    view = View.fit(SEQUENCES, naming(NAMES), table.values)
    assert [NAMES[column] for column in view.columns[:6]] == [f"load__{s}" if s else "load" for s in SEQUENCE]
    assert len(view.columns) == 2 * len(SEQUENCE)
    seen = view.of(table.values, table.values)
    at = 150
    samples = (load[at - 29 : at - 9].mean(), load[at - 9 : at - 3].mean(), *load[at - 3 : at + 1])
    rebuilt = seen[at, :6] * np.ptp(load)
    assert np.diff(rebuilt) == pytest.approx(np.diff(samples), abs=0.05)  # each has a mean of its own in training
    assert (seen[:, 6:] == 0.0).all(), "what never moved"


def test_of_a_sequence_only_whole_ones_are_taken_and_what_lacks_a_part_is_missing() -> None:
    short = tuple(name for name in NAMES if name != "still__delta_before")
    assert {short[i].partition("__")[0] for i in columns_of(SEQUENCES, short)} == {"load"}
    assert len(columns_of(SEQUENCES, SERVICE.names)) == 0
    table = _table(200)
    view = View.fit(SEQUENCES, naming(NAMES), table.values)
    gap = table.values[100:101].copy()
    gap[0, NAMES.index("load__delta_before")] = np.nan  # the third and the fourth sample from the end come by it
    assert np.isnan(view.of(gap, gap)[0, :6]).tolist() == [False, True, True, True, False, False]


def test_the_raw_view_has_values_as_they_came_and_a_mean_where_one_is_missing() -> None:
    named = naming(("x", "x__delta", "y"))
    X = np.array([[1.0, 0.0, 5.0], [3.0, 2.0, np.nan], [np.nan, np.nan, 7.0]])
    assert View.fit(RAW, named, X).of(X, X).tolist() == [[1.0, 0.0, 5.0], [3.0, 2.0, 6.0], [2.0, 1.0, 7.0]]
    chosen = View.fit(RAW, named, X, only=("y", "x"))
    assert chosen.of(X, X).tolist() == [[5.0, 1.0], [6.0, 3.0], [7.0, 2.0]]
    with pytest.raises(ValueError, match="not learned from, or most rows lack them: z, y__delta"):
        View.fit(RAW, named, X, only=("z", "x", "y__delta"))


def test_an_empty_view_and_arrays_that_are_none_are_refused() -> None:
    named = naming(("x", "x__delta"))
    with pytest.raises(ValueError, match="rolling"):
        View.fit("rolling", naming(("x",)), np.zeros((3, 1)))
    arrays = dict(View.fit("steps", named, np.array([[0.0, 0.0], [1.0, 1.0]])).to_arrays())
    assert View.from_arrays("steps", 2, arrays).columns.tolist() == [1]
    for wrong in ({"columns": np.array([2])}, {"unit": np.array([0.0])}, {"centre": np.array([np.nan])}):
        with pytest.raises(ValueError, match="no view"):
            View.from_arrays("steps", 2, arrays | wrong)
    with pytest.raises(ValueError, match="no view"):
        View.from_arrays(SEQUENCES, 2, arrays)


def test_the_daily_view_holds_what_the_time_of_day_makes_of_a_metrics_last_samples() -> None:
    table = _table(200)
    view = View.fit(DAY, naming(NAMES), table.values)
    parts = [f"{metric}__{part}" if part else metric for metric in ("load", "still") for part in DAILY]
    assert [NAMES[column] for column in view.columns] == parts
    scaled = np.random.default_rng(0).normal(size=table.values.shape)
    assert view.of(table.values, scaled).tobytes() == scaled[:, view.columns].tobytes()
    short = tuple(name for name in NAMES if name != "still__std_10")
    assert {short[i].partition("__")[0] for i in columns_of(DAY, short)} == {"load"}
    assert len(columns_of(DAY, SERVICE.names)) == 0


def test_what_is_unlike_its_hour_ranks_higher_and_is_no_alarm_by_itself() -> None:
    """Between 10 at midnight and 90 at noon; one night it stays at 50, which it passes twice a day."""
    usual, stuck = _daily(14 * 288), _daily(14 * 288, seed=1, stuck=10 * 288)
    with_daily = train(usual, policy=TrainPolicy(THREE_VIEWS))
    without = train(usual, policy=TrainPolicy(replace(THREE_VIEWS, ranking=())))
    late = slice(10 * 288 + 60, 10 * 288 + 72)
    said, alone = _scored(with_daily, stuck), _scored(without, stuck)
    assert said.score.tobytes() == alone.score.tobytes()
    assert said.reasons.feature.tobytes() == alone.reasons.feature.tobytes()
    assert np.median(said.mean[late]) > 1.5 * np.median(alone.mean[late])
    assert np.median(said.mean[: 10 * 288]) < 0.3


def test_a_member_is_named_by_detector_and_view() -> None:
    assert [str(MemberName.parse(text)) for text in ("neighbours@steps", " deviation ")] == [
        "neighbours@steps",
        "deviation",
    ]
    assert [MemberName.parse(text) for text in ("lstm", "lstm@sequence", "onnx")] == [
        MemberName("lstm", "sequence"),
        MemberName("lstm", "sequence"),
        MemberName("onnx", "raw"),
    ]
    assert str(MemberName("lstm", "sequence")) == "lstm"
    for wrong in ("lstm@steps", "onnx@all", "neighbours@raw", "onnx:model.onnx"):
        with pytest.raises(ValueError, match=r"view of its own|no view|no detector"):
            MemberName.parse(wrong)
    mixed = train(_table(600), policy=TrainPolicy(Ensemble.of(["isolation_forest", "neighbours@rolling"])))
    assert mixed.manifest.periods[ALL_HOURS].members == ("isolation_forest", "neighbours@rolling")
    assert mixed.manifest.periods[ALL_HOURS].fusion == "mean"
    assert set(VIEWS) == {"rolling", "steps", "sequence", "daily", "now", "shortest", "longer"}
