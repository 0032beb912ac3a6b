"""`faultline train`, `models`, `backtest` and `evaluate` over files: no Kafka, the workers' own steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.registry import Registry
from schemas.times import parse_time
from tests.support.cli import faultline
from workers.cli.backtest import backtest
from workers.cli.backtesting import replay, rows_of
from workers.cli.learning_data import counted, open_tape
from workers.cli.voice import Voice
from workers.settings import load_settings
from workers.sources.save import EventsFile
from workers.sources.synthetic.generate import generate
from workers.sources.synthetic.plan import Plan
from workers.sources.synthetic.truth import schedule

QUICK = ("--detectors", "deviation", "--quiet")
START = "2026-03-02T00:00:00Z"


def _table(days: int = 6, entity: str = "db", seed: int = 0) -> pd.DataFrame:
    """Five-minute samples of two metrics; the last third is to be scored, with one jump of both in it."""
    rng = np.random.default_rng(seed)
    n = days * 288
    table = pd.DataFrame(
        {
            "timestamp": pd.date_range(START, periods=n, freq="5min"),
            "entity": entity,
            "queue": 50 + rng.normal(size=n),
            "cpu_ratio": 0.4 + 0.01 * rng.normal(size=n),
            "label": 0,
            "split": np.where(np.arange(n) < 2 * n // 3, "train", "test"),
        }
    )
    jump = slice(5 * n // 6, 5 * n // 6 + 8)
    table.loc[table.index[jump], ["queue", "cpu_ratio", "label"]] = (90.0, 0.9, 1)
    return table


@pytest.fixture
def data(tmp_path: Path) -> Path:
    place = tmp_path / "db.parquet"
    _table().to_parquet(place)
    return place


def _registry(tmp_path: Path) -> dict[str, str]:
    return {"FAULTLINE_REGISTRY__URL": str(tmp_path / "registry")}


def test_training_stores_promotes_and_says_what_it_made(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = _registry(tmp_path)
    done = faultline("train", str(data), "--split", "train", "--json", *QUICK, env=env, timeout=110)
    assert done.code == 0, done.err
    made = {model["scope"]: model["version"] for model in done.json["models"]}
    assert set(made) == {"entity=db", "global"}
    assert done.json["promoted"]
    registry = Registry(env["FAULTLINE_REGISTRY__URL"])
    assert {scope: aliases.champion for _, scope, aliases in registry.in_force()} == made
    listed = faultline("models", "list", "--json", env=env).json
    assert {(entry["scope"], entry["alias"]) for entry in listed} == {("entity=db", "champion"), ("global", "champion")}
    shown = faultline("models", "show", made["global"][:8], "--json", env=env)
    assert shown.json["training"]["seed"] == 0
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    backtest([data], tmp_path / "scores.parquet", no_train=True, quiet=True)
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    jump = _table().query("split == 'test'")["label"].to_numpy() == 1
    assert scores["is_anomaly"][jump].all()
    blame = scores["contributions"][jump].iloc[-1]
    assert {one["metric"] for one in blame} <= {"queue", "cpu_ratio"}
    assert scores["contributions"][~scores["is_anomaly"]].isna().all()
    again = faultline("models", "promote", made["global"][:8], "--challenger", env=env)
    assert (again.code, "is the champion already" in again.err) == (2, True)


def test_a_version_that_nobody_has_is_wrong_use(tmp_path: Path) -> None:
    done = faultline("models", "promote", "ffff", env=_registry(tmp_path))
    assert done.code == 2
    assert "no bundle has a version that begins with 'ffff'" in done.err


def test_files_that_cannot_be_learned_from_are_named(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.csv"
    nothing.write_text("a,b\n1,2\n")
    done = faultline("train", str(nothing), env=_registry(tmp_path))
    assert done.code == 2
    assert "no column timestamp" in done.err


def test_a_backtest_finds_the_jump_and_is_judged(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "scores.parquet"
    done = faultline("backtest", str(data), "--out", str(out), "--json", *QUICK, timeout=110)
    assert done.code == 0, done.err
    scores, table = pd.read_parquet(out), _table()
    test = table[table["split"] == "test"].reset_index(drop=True)
    assert list(scores.columns) == [
        *("entity", "timestamp", "anomaly_score", "is_anomaly", "severity", "incident_id", "reason", "contributions"),
    ]
    assert scores["timestamp"].tolist() == test["timestamp"].tolist()
    assert (scores["is_anomaly"] == (scores["anomaly_score"] >= 1.0)).all()
    during = test["label"] == 1
    assert scores.loc[during, "is_anomaly"].all()
    assert scores.loc[during, "incident_id"].notna().any()
    assert scores.loc[during, "reason"].str.len().gt(0).all()
    assert scores["is_anomaly"][: int(np.argmax(during))].mean() < 0.02
    judged = faultline("evaluate", str(out), str(data), "--require", "recall=0.9", "--json")
    assert judged.code == 0, judged.err
    assert judged.json["recall"] == 1.0
    assert judged.json["unscored"] == 0
    missed = faultline("evaluate", str(out), str(data), "--require", "fpr=0", "--require", "recall=1")
    assert missed.code == (0 if judged.json["fpr"] == 0 else 1)
    assert faultline("evaluate", str(out), str(data), "--require", "beauty=1").code == 2


@pytest.mark.parametrize("kept", [400, 441, 500])
def test_cutting_the_data_leaves_the_scores_before_the_cut_unchanged(tmp_path: Path, kept: int) -> None:
    table = _table(days=2)
    table.to_parquet(tmp_path / "whole.parquet")
    table.iloc[:kept].to_parquet(tmp_path / "cut.parquet")
    settings = load_settings({"FAULTLINE_REGISTRY__URL": ""})
    found = {}
    for name in ("whole", "cut"):
        place = [tmp_path / f"{name}.parquet"]
        voice = Voice.of(quiet=True, as_json=True)
        with counted(open_tape(place, voice), voice, "scoring") as blocks:
            found[name] = replay(blocks, rows_of(place), settings)
    n = len(found["cut"].rows)
    assert n == kept - 384
    assert len(found["cut"].found) == n
    assert found["whole"].score[:n].tobytes() == found["cut"].score.tobytes()
    for name in ("reason", "incident", "contributions"):
        assert found["whole"].column(name)[:n] == found["cut"].column(name)


def test_rows_to_score_are_those_that_are_not_of_the_training_split(data: Path) -> None:
    rows = rows_of([data])
    assert rows.has_train
    assert len(rows) == 576
    assert rows.place["db", parse_time("2026-03-06T00:00:00Z")] == 0


def test_a_group_gets_a_model_of_its_own_within_its_budget(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    for seed, name in enumerate(("pay-1", "pay-2", "search")):
        _table(entity=name, seed=seed).to_parquet(folder / f"{name}.parquet")
    groups = {**_registry(tmp_path), "FAULTLINE_SCORING__GROUPS": '{"payments": "pay-*", "empty": "nobody"}'}
    wanted = ("train", str(folder), "--scope", "group", "--budget", "1/week", "--detectors", "deviation")
    done = faultline(*wanted, env=groups, timeout=110)
    assert done.code == 0, done.err
    assert "generic group=payments: budget 1/week for 2 entities: " in done.err
    in_force = Registry(groups["FAULTLINE_REGISTRY__URL"]).in_force()
    assert [scope for _, scope, _ in in_force] == ["group=payments"]
    assert "generic group=empty: no entity is called 'nobody'" in done.err
    lone = {**groups, "FAULTLINE_SCORING__GROUPS": '{"empty": "nobody"}'}
    none = faultline("train", str(folder), "--scope", "group", "--quiet", env=lone)
    assert (none.code, "no model was trained: generic group=empty: no entity" in none.err) == (1, True)
    refused = faultline(*wanted, env=_registry(tmp_path))
    assert (refused.code, "FAULTLINE_SCORING__GROUPS" in refused.err) == (2, True)
    wrong = faultline("train", str(folder), "--budget", "three a week", env=groups)
    assert (wrong.code, "such as 3/week" in wrong.err) == (2, True)


def test_of_events_every_window_is_scored(tmp_path: Path) -> None:
    place = tmp_path / "day.parquet"
    plan = Plan(profile="host", days=0.5, seed=3)
    with EventsFile(place) as file:
        for block in generate(schedule(plan)):
            file.write(block)
    rows = rows_of([place])
    assert (rows.open, len(rows)) == (True, 0)
    voice = Voice.of(quiet=True, as_json=True)
    with counted(open_tape([place], voice), voice, "scoring") as blocks:
        verdicts = replay(blocks, rows, load_settings({"FAULTLINE_REGISTRY__URL": ""}))
    assert verdicts.summary()["scored"] == len(rows) == 144
    assert np.diff(rows.time).tolist() == [300_000_000] * 143


def test_bundles_are_signed_by_the_key_of_the_settings_and_by_command(tmp_path: Path, data: Path) -> None:
    env, place = _registry(tmp_path), tmp_path / "signing.pem"
    made = faultline("models", "keygen", str(place), env=env)
    assert made.code == 0, made.err
    trusting = env | {"FAULTLINE_REGISTRY__TRUSTED_KEYS": f'["{made.out.strip()}"]'}
    again = faultline("models", "keygen", str(place), env=env)
    assert (again.code, "is there already" in again.err) == (2, True)
    train = ("train", str(data), "--split", "train", "--scope", "entity", *QUICK)
    refused = faultline(*train, env=trusting, timeout=110)
    assert refused.code == 1
    assert "signed by none of the 1 keys" in refused.err
    (model,) = faultline("models", "list", "--json", env=trusting).json
    assert model["signed_by"] == []
    assert "unsigned (refused)" in faultline("models", "list", env=trusting).out
    assert faultline("models", "sign", model["version"], env=trusting).code == 2, "no key was named"
    assert faultline("models", "sign", model["version"][:6], "--key", str(place), env=trusting).code == 0
    assert f"{made.out[:20]}…" in faultline("models", "list", env=trusting).out
    assert faultline("models", "promote", model["version"], env=trusting).code == 0
    shown = faultline("models", "show", model["version"], "--json", env=trusting).json
    assert shown["signed by"] == made.out.strip()
    signing = trusting | {"FAULTLINE_REGISTRY__SIGNING_KEY": str(place)}
    done = faultline(*train, "--seed", "2", env=signing, timeout=110)
    assert done.code == 0, done.err
    wrong = faultline(*train, env=signing | {"FAULTLINE_REGISTRY__SIGNING_KEY": str(data)})
    assert (wrong.code, str(data) in wrong.err) == (2, True)
    bad = faultline("models", "list", env=env | {"FAULTLINE_REGISTRY__TRUSTED_KEYS": '["rsa:1"]'})
    assert (bad.code, "no public key" in bad.err) == (2, True)
