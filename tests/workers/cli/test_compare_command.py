"""`faultline models compare`: two bundles over the same rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.manifest import BundleError
from models.registry import Aliases, Registry
from models.train import TrainPolicy, train
from tests.support.cli import Finished, faultline
from workers.cli.backtesting import replay, rows_of
from workers.cli.compare import run
from workers.cli.failures import FAILED, WrongUse, explain
from workers.cli.learning_data import counted, open_tape
from workers.cli.train import ensemble_of, read_tables
from workers.cli.versions import Place, find_two
from workers.cli.voice import Voice
from workers.settings import load_settings

VOICE = Voice.of(quiet=True, as_json=True)
ROWS, TRAINED, JUMP = 1_440, 1_152, slice(1_400, 1_402)


def _table(spread: float) -> pd.DataFrame:
    """Five-minute samples of two metrics: four days to learn from, one to score with a labelled jump in it."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "timestamp": pd.date_range("2026-03-02T00:00:00Z", periods=ROWS, freq="5min"),
            "entity": "db",
            "queue": 50 + spread * rng.normal(size=ROWS),
            "cpu_ratio": 0.4 + 0.01 * spread * rng.normal(size=ROWS),
            "label": 0,
            "split": np.where(np.arange(ROWS) < TRAINED, "train", "test"),
        }
    )
    table.loc[table.index[JUMP], ["queue", "cpu_ratio", "label"]] = (58.0, 0.48, 1)
    return table


@dataclass(frozen=True, slots=True)
class Given:
    """A registry whose champion knows the data, and whose challenger learned from data four times as restless."""

    registry: str
    data: Path
    champion: str
    challenger: str

    def compare(self, first: str, second: str, *options: str) -> Finished:
        env = {"FAULTLINE_REGISTRY__URL": self.registry}
        return faultline("models", "compare", first, second, str(self.data), *options, env=env, timeout=110)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    folder = tmp_path_factory.mktemp("compare")
    registry, versions = Registry(str(folder / "registry")), []
    policy = TrainPolicy(ensemble=ensemble_of("deviation"))
    for name, spread in (("data", 1.0), ("restless", 4.0)):
        place = folder / f"{name}.parquet"
        _table(spread).to_parquet(place)
        (table,) = read_tables([place], load_settings({}), VOICE, split="train")
        trained = train(table, "entity=db", policy)
        versions.append(registry.save(trained.manifest, trained.files))
    registry.promote("generic", "entity=db", Aliases(*versions))
    return Given(str(folder / "registry"), folder / "data.parquet", *versions)


def test_both_score_the_same_rows_and_the_alarm_of_one_alone_is_listed(given: Given, tmp_path: Path) -> None:
    out = tmp_path / "both.parquet"
    done = given.compare("champion", given.challenger[:12], "--json", "--save", str(out))
    assert done.code == 0, done.err
    told, scored = done.json, ROWS - TRAINED
    assert (told["a"]["version"], told["b"]["version"]) == (given.champion, given.challenger)
    assert (told["rows"], told["a"]["rows"], told["b"]["rows"]) == (scored, scored, scored)
    assert (told["a"]["judged"]["recall"], told["b"]["judged"]["recall"]) == (1.0, 0.0)
    assert told["a"]["judged"]["event_recall"] == 1.0
    (alarm,) = (one for one in told["differing"] if one["event"])
    jump = _table(1.0)["timestamp"][JUMP]
    assert (alarm["side"], alarm["entity"]) == ("a", "db")
    assert pd.Timestamp(alarm["start"]) <= jump.iloc[0] <= pd.Timestamp(alarm["end"])
    assert alarm["peak"] >= 1.0 > alarm["other_peak"]
    assert alarm["reason"].endswith(" up")
    both = pd.read_parquet(out)
    counted_ = told["agreement"]
    assert counted_["both"] + counted_["first_only"] == both["is_anomaly_a"].sum() == told["a"]["anomalies"]
    assert both["label"].sum() == 2

    with counted(open_tape([given.data], VOICE), VOICE, "scoring") as blocks:
        alone = replay(blocks, rows_of([given.data]), load_settings({"FAULTLINE_REGISTRY__URL": given.registry}))
    assert both["anomaly_score_a"].to_numpy().tobytes() == alone.score.tobytes()


def test_people_read_it_as_tables_and_sides_can_be_exchanged(
    given: Given, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings = load_settings({"FAULTLINE_REGISTRY__URL": given.registry})
    versions = find_two(Registry(given.registry), "challenger", "champion", Place(profile="generic"))
    voice = Voice.of(quiet=True, as_json=False)
    run(*versions, [given.data], settings, voice, 50, None)
    told = capsys.readouterr().out
    assert f"a challenger entity=db {given.challenger[:12]}" in told
    assert "alarms an entity-day" in told
    assert "event_recall" in told
    assert "alarms of one alone: " in told
    with pytest.raises(WrongUse, match="is a folder: give the name of a file"):
        run(*versions, [given.data], settings, voice, 50, tmp_path)


def test_who_is_not_there_is_said(given: Given) -> None:
    unknown = given.compare("champion", "ffff")
    assert (unknown.code, "no bundle has a version that begins with 'ffff'" in unknown.err) == (2, True)
    with pytest.raises(WrongUse, match="there is no champion of service"):
        find_two(Registry(given.registry), "champion", "challenger", Place(profile="service"))


def test_a_damaged_bundle_is_refused(given: Given) -> None:
    (file,) = Path(given.registry, "generic", "entity=db", given.challenger).rglob("*.npz")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    settings = load_settings({"FAULTLINE_REGISTRY__URL": given.registry})
    versions = find_two(Registry(given.registry), "champion", "challenger", Place())
    try:
        with pytest.raises(BundleError, match="damaged or was changed") as refused:
            run(*versions, [given.data], settings, VOICE, 50, None)
    finally:
        file.write_bytes(whole)
    explained = explain(refused.value)
    assert explained is not None
    assert explained[1] == FAILED


def test_bundles_that_no_vector_is_for_both_of_are_wrong_use(given: Given, tmp_path: Path) -> None:
    manifest = Registry(given.registry).open("generic", "entity=db", given.champion).manifest
    registry = Registry(str(tmp_path))
    heads = (manifest, replace(manifest, feature_set="f" * 32), replace(manifest, profile="host"))
    known, other_features, other_profile = (registry.save(head, {}) for head in heads)
    with pytest.raises(WrongUse, match="of the feature set"):
        find_two(registry, known, other_features, Place())
    with pytest.raises(WrongUse, match="no vector is of both"):
        find_two(registry, known, other_profile, Place())
    with pytest.raises(WrongUse, match="the same version"):
        find_two(registry, known, known[:20], Place())


def test_an_alias_that_many_scopes_have_is_that_of_the_other_version(given: Given, tmp_path: Path) -> None:
    manifest = Registry(given.registry).open("generic", "entity=db", given.champion).manifest
    registry = Registry(str(tmp_path))

    def put(scope: str, roles: int) -> list[str]:
        heads = [replace(manifest, scope=scope, training=replace(manifest.training, seed=seed)) for seed in range(2)]
        versions = [registry.save(head, {}) for head in heads]
        names = ("champion", "challenger")[:roles]
        aliases = {**dict.fromkeys(("champion", "challenger")), **dict(zip(names, versions, strict=False))}
        (tmp_path / "generic" / scope / "aliases.json").write_text(json.dumps(aliases))
        return versions

    db, everybody = put("entity=db", 2), put("global", 1)
    assert [one.version for one in find_two(registry, "champion", "challenger", Place())] == db
    assert [one.version for one in find_two(registry, everybody[1], "champion", Place())] == everybody[::-1]
    assert find_two(registry, everybody[1], "challenger", Place())[1].version == db[1]
    across = find_two(registry, "champion", everybody[1], Place(scope="entity=db"))
    assert [one.version for one in across] == [db[0], everybody[1]]
    put("global", 2)
    with pytest.raises(WrongUse, match=r"2 scopes have a champion \(generic entity=db, generic global\)"):
        find_two(registry, "champion", "challenger", Place())
