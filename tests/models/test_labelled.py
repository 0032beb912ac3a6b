"""Training with labels: what they teach, what they set, and what happens where they are too few."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from joblib import parallel_config

from models.bundle import Bundle, open_bundle
from models.ensembles import Ensemble
from models.evaluation.points import Confusion
from models.labels import ANOMALOUS, NORMAL, UNKNOWN
from models.manifest import MANIFEST, BundleError
from models.periods import ALL
from models.registry import Registry
from models.table import VectorTable
from models.train import TrainedBundle, TrainingError, TrainPolicy, train, train_entities
from tests.models.learned import NAMES, table

CPU, QUEUE = NAMES.index("cpu_ratio"), NAMES.index("queue")
POLICY = TrainPolicy(Ensemble.of(("deviation", "xgboost")))


def labelled(days: int = 5, seed: int = 0, entities: tuple[str, ...] = ("a",)) -> VectorTable:
    """A month's habit with an anomaly every 40 samples, four long: both metrics a little up, which neither is alone."""
    rows = table(days, seed, entities)
    times = np.arange(len(rows)) % 40
    anomalous = (times >= 20) & (times < 24)
    rng = np.random.default_rng(seed + 100)
    for column, much in ((CPU, 0.03), (QUEUE, 3.0)):
        rows.values[anomalous, column] += much
        lone = rng.random(len(rows)) < 0.05
        rows.values[lone & ~anomalous, column] += 1.5 * much * (1 if column == CPU else -1)
    return replace(rows, label=np.where(anomalous, ANOMALOUS, NORMAL).astype(np.int8))


@cache
def _trained() -> TrainedBundle:
    return train(labelled(), policy=POLICY)


def _open(trained: TrainedBundle, **changed: bytes) -> Bundle:
    files = {MANIFEST: trained.manifest.encode(), **trained.files, **changed}
    return open_bundle(lambda name: files[name])


def _version(trained: TrainedBundle | str) -> str:
    assert isinstance(trained, TrainedBundle)
    return pickle.loads(pickle.dumps(trained)).version  # type: ignore[no-any-return]


def _f1(trained: TrainedBundle, rows: VectorTable) -> float:
    opened = _open(trained)
    scored = opened.period(ALL).score(rows.values, opened.manifest.calendar.place(rows.window_end))
    assert rows.label is not None
    return Confusion.of(scored.score >= 1.0, rows.label == ANOMALOUS).figures()["f1"]


def test_labels_teach_what_no_deviation_shows() -> None:
    fresh = labelled(seed=5)
    assert _f1(_trained(), fresh) > 0.9
    unlabelled = train(replace(labelled(), label=None), policy=replace(POLICY, ensemble=Ensemble.of(("deviation",))))
    assert _f1(unlabelled, fresh) < 0.5


def test_the_manifest_says_how_each_member_did_and_none_is_better_than_all() -> None:
    found = _trained().manifest.periods[ALL].validation
    assert found is not None
    assert _trained().manifest.by_labels
    assert set(found.members) == {"deviation", "xgboost"}
    assert all(one["average_precision"] <= found.ensemble["average_precision"] for one in found.members.values())
    assert found.members["xgboost"]["weight"] > 0.5
    assert found.trees["xgboost"]["trees"] >= 5
    assert (found.rows, found.episodes) == (288, 7)
    assert "xgboost-cpu" in _trained().manifest.libraries or "xgboost" in _trained().manifest.libraries
    assert set(_trained().manifest.periods) == {ALL}  # labels are few


def test_the_same_rows_and_seed_give_the_same_bundle_however_many_jobs() -> None:
    rows, policy = labelled(entities=("a", "b")), replace(POLICY, ensemble=Ensemble.of(("xgboost",)))
    rows, many = pickle.loads(pickle.dumps((rows, replace(policy, jobs=2))))  # as they go to another process
    with parallel_config(backend="threading"):  # which takes seconds to start, and runs the same
        found = [[_version(one) for one in train_entities(rows, how)] for how in (policy, many)]
    assert found[0] == found[1]
    assert len(set(found[0])) == 2


def test_trees_lie_in_the_bundle_as_xgboost_saved_them_and_damage_is_found(tmp_path: object) -> None:
    import xgboost

    trained = _trained()
    (name,) = (file for file in trained.files if file.endswith(".ubj"))
    assert name.startswith("trees/")
    assert xgboost.Booster(model_file=bytearray(trained.files[name])).num_features() == 3
    registry = Registry(str(tmp_path))
    registry.open("generic", "global", registry.save(trained.manifest, trained.files)).verify()
    blob = bytearray(trained.files[name])
    blob[len(blob) // 2] ^= 1
    with pytest.raises(BundleError, match="damaged or was changed"):
        _open(trained, **{name: bytes(blob)}).period(ALL)


def test_a_bundle_with_someone_elses_trees_is_refused() -> None:
    import hashlib
    import json

    trained = _trained()
    (name,) = (file for file in trained.files if file.endswith(".ubj"))
    document = json.loads(trained.manifest.encode())
    document["files"][name] = {"sha256": hashlib.sha256(b"{}").hexdigest(), "bytes": 2}
    files = {**trained.files, name: b"{}", MANIFEST: json.dumps(document).encode()}
    with pytest.raises(BundleError, match="no model of XGBoost"):
        open_bundle(files.__getitem__).period(ALL)
    del document["files"][name]
    files[MANIFEST] = json.dumps(document).encode()
    with pytest.raises(BundleError, match="is not in the manifest"):
        open_bundle(files.__getitem__).period(ALL)


def test_a_vector_scores_the_same_alone_and_in_company() -> None:
    opened, rows = _open(_trained()), labelled(days=1, seed=3)
    rows.values[5, QUEUE] = np.nan
    places = opened.manifest.calendar.place(rows.window_end)
    together = opened.period(ALL).score(rows.values, places)
    for i in (5, 20, 21, 60):
        alone = opened.period(ALL).score(rows.values[i : i + 1], places.take(np.array([i])))
        assert alone.score.tobytes() == together.score[i : i + 1].tobytes()
        assert alone.confidence.tobytes() == together.confidence[i : i + 1].tobytes()
        assert alone.reasons.share.tobytes() == together.reasons.share[i : i + 1].tobytes()


def test_where_labels_are_too_few_the_rest_learns_without_the_known_anomalies() -> None:
    rows = labelled()
    assert rows.label is not None
    few = np.where(np.arange(len(rows)) < 130, rows.label, UNKNOWN).astype(np.int8)
    trained = train(replace(rows, label=few), policy=POLICY)
    assert trained.remark.startswith("labels say too little: 0 anomalous episodes to learn from of 5")
    assert trained.manifest.periods[ALL].members == ("deviation",)
    assert not trained.manifest.by_labels
    assert trained.manifest.training.trimmed >= 12
    with pytest.raises(TrainingError, match="labels say too little"):
        train(replace(rows, label=few), policy=replace(POLICY, ensemble=Ensemble.of(("xgboost",))))
    with pytest.raises(TrainingError, match="xgboost learns from labels, and none are given"):
        train(replace(rows, label=None), policy=replace(POLICY, ensemble=Ensemble.of(("xgboost",))))


def test_known_anomalies_are_no_example_of_what_is_usual() -> None:
    rows = labelled()
    assert rows.label is not None
    rows.values[rows.label == ANOMALOUS, QUEUE] = 90.0
    policy = TrainPolicy(Ensemble.of(("deviation",)), contamination=0.0)
    known = train(replace(rows, label=np.where(rows.label == ANOMALOUS, ANOMALOUS, UNKNOWN)), policy=policy)
    unknown = train(replace(rows, label=None), policy=policy)
    odd = rows.take(np.flatnonzero(rows.label == ANOMALOUS)[:5])
    scores = [
        _open(one).period(ALL).score(odd.values, one.manifest.calendar.place(odd.window_end)).score
        for one in (known, unknown)
    ]
    assert scores[0].min() >= 1.0 > scores[1].max()


def test_metrics_of_which_only_one_direction_matters_are_learned_as_they_will_be_seen() -> None:
    """Of errors only more matters: fewer are shown to the model as expected, so it must not learn from them."""
    rows = labelled()
    names = ("errors", "queue", *NAMES[2:])
    anomalous = rows.label == ANOMALOUS
    rng = np.random.default_rng(0)
    rows.values[:, CPU] = 100.0 + rng.normal(size=len(rows)) - 50.0 * anomalous
    rows.values[:, QUEUE] = rng.normal(size=len(rows))
    trained = train(replace(rows, names=names), policy=replace(POLICY, ensemble=Ensemble.of(("xgboost",))))
    found = trained.manifest.periods[ALL].validation
    assert found is not None
    assert found.ensemble["average_precision"] < 0.5


def test_a_search_takes_the_way_that_judged_best_and_the_usual_one_of_equals(monkeypatch: pytest.MonkeyPatch) -> None:
    from models import growing
    from models.detectors.boosted_trees import Growth

    rows = labelled(days=4)
    monkeypatch.setattr(growing, "GRID", (Growth(), Growth(depth=1, seen=0.1), Growth(depth=6)))
    searched = train(rows, policy=replace(POLICY, ensemble=Ensemble.of(("xgboost",)), search=True))
    found = searched.manifest.periods[ALL].validation
    assert found is not None
    assert found.trees["xgboost"]["depth"] in (4, 6)
