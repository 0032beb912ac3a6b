"""Labels in commands: where they come from, that nothing else reads them, and that nothing looks ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from models.ensembles import Ensemble
from models.evaluation.points import Confusion
from models.labels import ANOMALOUS, NORMAL, UNKNOWN
from models.periods import ALL
from models.registry import Aliases, Registry
from models.table import VectorTable
from models.train import TrainPolicy
from workers.cli import models, train
from workers.cli.backtesting import Verdicts, replay, rows_of
from workers.cli.failures import Failure, WrongUse
from workers.cli.feature_export import save_features
from workers.cli.labels import check_labels, read_labels
from workers.cli.learning_data import counted, open_tape
from workers.cli.train import Scope, learn, read_tables
from workers.cli.voice import Voice
from workers.settings import Settings, load_settings
from workers.sources.save import EventsFile, save_truth
from workers.sources.synthetic.generate import generate
from workers.sources.synthetic.plan import Plan
from workers.sources.synthetic.truth import Truth, schedule

VOICE = Voice.of(quiet=True, as_json=True)
TRAIN = 3 * 288


def _table(rows: int = 5 * 288, seed: int = 0) -> pd.DataFrame:
    """Five-minute samples of two metrics. Every 40 samples both are up a little for four: neither alone says so."""
    rng = np.random.default_rng(seed)
    place = np.arange(rows)
    anomalous = (place % 40 >= 20) & (place % 40 < 24)
    queue, load = 50 + rng.normal(size=rows), 5 + 0.1 * rng.normal(size=rows)
    alone = ~anomalous & (rng.random(rows) < 0.05)
    return pd.DataFrame(
        {
            "timestamp": pd.date_range("2026-03-02", periods=rows, freq="5min", tz="UTC"),
            "entity": "db",
            "queue": queue + 3.0 * anomalous - 4.0 * alone,
            "load": load + 0.3 * anomalous + 0.4 * (~anomalous & (rng.random(rows) < 0.05)),
            "label": anomalous.astype(int),
            "split": np.where(place < TRAIN, "train", "test"),
        }
    )


def _backtest(table: pd.DataFrame, folder: Path, *, use_labels: bool) -> tuple[Verdicts, str]:
    """What `faultline backtest` does with a table; the verdicts, and the version that was trained."""
    place = folder / "db.parquet"
    table.to_parquet(place)
    local = _local(folder)
    ensemble = Ensemble.of(("deviation", "xgboost") if use_labels else ("deviation",))
    registry = Registry(local.registry.url)
    (vectors,) = read_tables([place], local, VOICE, "train", use_labels)
    (trained,) = learn(vectors, Scope.entity, TrainPolicy(ensemble), registry, VOICE, local)
    registry.promote("generic", trained.manifest.scope, Aliases(trained.version))
    return _scored(place, local), trained.version


def _local(folder: Path) -> Settings:
    return load_settings({"FAULTLINE_REGISTRY__URL": str(folder / "registry")})


def _scored(place: Path, local: Settings) -> Verdicts:
    with counted(open_tape([place], VOICE), VOICE, "scoring") as blocks:
        return replay(blocks, rows_of([place]), local)


def _same(one: Verdicts, other: Verdicts, rows: int) -> bool:
    return all(one.found[place] == other.found[place] for place in range(rows))


class Done(NamedTuple):
    """A backtest: where its registry and its table are, what it said, and which version it trained."""

    folder: Path
    verdicts: Verdicts
    version: str


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Done]:
    """Backtests without and with labels."""
    folders = {use_labels: tmp_path_factory.mktemp("labels") for use_labels in (False, True)}
    return {use: Done(folder, *_backtest(_table(), folder, use_labels=use)) for use, folder in folders.items()}


@given(kept=st.integers(TRAIN + 1, 5 * 288 - 1), use_labels=st.booleans())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cutting_the_file_after_any_row_leaves_the_scores_before_unchanged(
    done: dict[bool, Done], kept: int, use_labels: bool
) -> None:
    folder, whole, _ = done[use_labels]
    place = folder / "cut" / "db.parquet"
    place.parent.mkdir(exist_ok=True)
    _table().iloc[:kept].to_parquet(place)
    assert _same(whole, _scored(place, _local(folder)), kept - TRAIN)


def test_what_labels_set_is_what_is_published_however_often_that_is(done: dict[bool, Done]) -> None:
    """Seven anomalies a day are more than any entity would find for itself; the boundary is the labels'."""
    label = _table()["label"].to_numpy()[TRAIN:] == 1
    figures = Confusion.of(done[True].verdicts.score >= 1.0, label).figures()
    assert figures["f1"] > 0.8


def test_nothing_reads_labels_unless_they_are_to_be_used(tmp_path: Path, done: dict[bool, Done]) -> None:
    table, rows = _table(), len(done[False].verdicts.rows)
    mixed = table.assign(label=np.random.default_rng(0).permutation(table["label"].to_numpy()))
    tested = table.assign(label=table["label"].where(table["split"] == "train", mixed["label"]))
    for name, data, use_labels in (("mixed", mixed, False), ("tested", tested, True)):
        (tmp_path / name).mkdir()
        verdicts, version = _backtest(data, tmp_path / name, use_labels=use_labels)
        assert version == done[use_labels].version, name  # of rows to score no label is read even then
        assert _same(done[use_labels].verdicts, verdicts, rows), name


def test_training_by_labels_is_told_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "db.csv"
    monkeypatch.setenv("FAULTLINE_REGISTRY__URL", str(tmp_path / "registry"))
    _table().to_csv(place, index=False)
    options = ("--use-labels", "--detectors", "deviation,xgboost", "--scope", "global", "--json")
    ran = CliRunner().invoke(train.app, [str(place), *options, "--save-features", str(tmp_path / "features")])
    assert ran.exit_code == 0, ran.output
    (model,) = orjson.loads(ran.stdout)["models"]
    found = model["by_labels"]
    assert found["ensemble"]["average_precision"] >= found["members"]["xgboost"]["average_precision"] > 0.9
    assert "generic global: all, by labels" in ran.stderr
    assert (tmp_path / "features" / "generic" / "summary.json").exists()
    shown = CliRunner().invoke(models.app, ["show", model["version"]]).stdout.splitlines()
    (title,) = [line for line in shown if line.startswith("all, by labels: 288 later rows")]
    names = [line.split()[0] for line in shown[shown.index(title) + 2 :] if line.strip()]
    assert names == ["deviation", "xgboost", "together"]


def test_options_that_do_not_go_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    trees = Ensemble.of(("xgboost",))
    with pytest.raises(WrongUse, match="--use-labels and --budget both"):
        check_labels(True, False, "3/week", None)
    with pytest.raises(WrongUse, match="--grid searches"):
        check_labels(False, True, "", None)
    with pytest.raises(WrongUse, match="xgboost learns from labels: give --use-labels"):
        check_labels(False, False, "", trees)
    check_labels(True, True, "", trees)
    monkeypatch.setattr("workers.cli.extras.find_spec", lambda name: None)
    with pytest.raises(Failure, match=r"pip install 'faultline\[labels\]'"):
        check_labels(True, False, "", None)
    check_labels(True, False, "", Ensemble.of(("deviation",)))


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (None, "DATA has no labels"),
        ([2] * 100, "0, 1 or nothing, not 2"),
        (["odd"] * 100, "db.parquet: the column label holds 0, 1, true, false or nothing, not 'odd'"),
    ],
)
def test_labels_that_are_none_are_refused_with_the_file(tmp_path: Path, label: Any, said: str) -> None:
    place = tmp_path / "db.parquet"
    table = _table(100).drop(columns="label")
    (table if label is None else table.assign(label=label)).to_parquet(place)
    with pytest.raises(WrongUse, match=said):
        read_labels([place], open_tape([place], VOICE).files, "")


def test_an_empty_label_is_unknown_and_a_truth_value_counts(tmp_path: Path) -> None:
    place = tmp_path / "db.parquet"
    table = _table(100)
    table["label"] = pd.array([None, True, False] + [None] * 97, dtype="boolean")
    table.to_parquet(place)
    (found,) = read_tables([place], load_settings({}), VOICE, "", use_labels=True)
    assert found.label is not None
    assert found.label[:4].tolist() == [UNKNOWN, ANOMALOUS, NORMAL, UNKNOWN]


def _made_up(truth: Truth, place: Path) -> VectorTable:
    with EventsFile(place) as file:
        for block in generate(truth):
            file.write(block)
    save_truth(truth.rows(), place)
    (table,) = read_tables([place], load_settings({}), VOICE, "", use_labels=True)
    return table


@pytest.mark.parametrize("ending", ["parquet", "ndjson"])
def test_the_truth_beside_samples_labels_every_one_of_them(tmp_path: Path, ending: str) -> None:
    truth = schedule(Plan("host", days=1, entities=2, anomaly_rate=0.1, episode=(2, 5)))
    table = _made_up(truth, tmp_path / f"hosts.{ending}")
    assert table.label is not None
    for number, name in enumerate(truth.plan.names):
        mine = table.of_entity(name)
        assert mine.label is not None
        assert mine.label.tolist() == truth.anomalous()[number].astype(int).tolist()


def test_the_truth_beside_requests_labels_the_panes_that_lie_in_it(tmp_path: Path) -> None:
    truth = schedule(Plan("service", days=0.1, anomaly_rate=0.1, episode=(1, 1)))
    table = _made_up(truth, tmp_path / "day.parquet")
    assert table.label is not None
    ends = table.window_end  # of panes, [end − 10 s, end)
    inside = np.any((ends[:, None] > truth.start) & (ends[:, None] <= truth.end), axis=1)
    known = table.label != UNKNOWN
    assert known[:-1].all()  # the last pane ends after the last event, of which the truth speaks no more
    assert table.label[known].tolist() == inside[known].astype(int).tolist()
    assert inside.sum() > 60


def test_saved_features_are_whole_and_divided_in_time(tmp_path: Path) -> None:
    place = tmp_path / "db.parquet"
    _table().to_parquet(place)
    (table,) = read_tables([place], load_settings({}), VOICE, "", use_labels=True)
    folder = save_features(table, tmp_path / "out")
    full, train, later = (pd.read_parquet(folder / f"{name}.parquet") for name in ("full", "train", "validation"))
    assert pd.concat([train, later])["timestamp"].tolist() == full["timestamp"].tolist()
    assert train["timestamp"].max() < later["timestamp"].min()
    assert (full["label"] == _table()["label"]).all()
    assert later["label"].iloc[0] == 0  # no episode lies on both sides
    text = pd.read_csv(folder / "full.csv")
    assert list(text.columns) == list(full.columns)
    assert np.allclose(text["queue"], full["queue"])
    features = {one["name"]: one for one in orjson.loads((folder / "features.json").read_bytes())}
    assert set(features) == set(full.columns) - {"timestamp", "entity", "label"}
    assert features["queue"]["median"] == pytest.approx(50.1, abs=0.2)
    assert features["queue"]["outliers"] > 10
    summary = orjson.loads((folder / "summary.json").read_bytes())
    assert summary["parts"]["validation"]["rows"] == len(later)
    assert set(summary["outliers"]) == {"queue", "load"}


def test_a_model_that_labels_set_verifies_from_the_registry(done: dict[bool, Done]) -> None:
    registry = Registry(str(done[True].folder / "registry"))
    (entry,) = registry.entries()
    opened = registry.open(entry.profile, entry.scope, entry.version)
    opened.verify()
    assert opened.manifest.by_labels
    assert opened.period(ALL).boundary != 1.0
