"""Bundles with ONNX graphs: each a file of its own that is checked against its hash before anything of it runs."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.arrays import pack, unpack
from models.bundle import Bundle, open_bundle
from models.ensembles import Ensemble
from models.features.generic import GENERIC
from models.manifest import MANIFEST, BundleError
from models.periods import ALL
from models.registry import Aliases, Registry
from models.table import VectorTable
from models.train import TrainedBundle, TrainingError, TrainPolicy, train
from tests.models.detectors.own_graphs import length
from tests.models.learned import FIVE_MINUTES, START
from workers.runtime.errors import Fatal
from workers.scoring.loading import Loading

STATISTICS = ("mean_10", "mean_30", "delta", "delta_before", "delta_before_2")
NAMES = ("load", *(f"load__{one}" for one in STATISTICS))
OWN = length(2, ("load__delta", "load"))
ALL_FILE = "periods/all.npz"


def table(rows: int = 1_000, seed: int = 0) -> VectorTable:
    """One metric that swings, with its last samples as means and steps."""
    random = np.random.default_rng(seed)
    load = 50.0 + 10.0 * np.sin(np.arange(rows) / 9.0) + random.normal(size=rows)
    step = np.diff(load, prepend=load[0])
    means = [np.array([load[max(0, i - w + 1) : i + 1].mean() for i in range(rows)]) for w in (10, 30)]
    X = np.column_stack([load, *means, step, np.roll(step, 1), np.roll(step, 2)])
    times = START + FIVE_MINUTES * np.arange(1, rows + 1, dtype=np.int64)
    return VectorTable("generic", 2, GENERIC.hash, NAMES, ("a",), np.zeros(rows, np.int32), times, X)


def policy(*members: str) -> TrainPolicy:
    return TrainPolicy(Ensemble.of(members))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("own") / "mine.onnx"
    place.write_bytes(OWN)
    return place


@pytest.fixture(scope="module")
def trained(model: Path) -> TrainedBundle:
    return train(table(), policy=policy("autoencoder@sequence", "lstm", f"onnx:{model}"))


def files(trained: TrainedBundle) -> dict[str, bytes]:
    return {**trained.files, MANIFEST: trained.manifest.encode()}


def opened(found: dict[str, bytes]) -> Bundle:
    return open_bundle(found.__getitem__)


def graph_of(trained: TrainedBundle, number: int) -> str:
    return f"graphs/{unpack(trained.files[ALL_FILE])[f'{number}/detector/graph'].tobytes().hex()}.onnx"


def test_every_graph_is_a_file_by_its_hash_and_ones_own_is_there_as_it_was(trained: TrainedBundle) -> None:
    graphs = [graph_of(trained, number) for number in range(3)]
    assert set(trained.files) == set(trained.manifest.files) == {ALL_FILE, *graphs}
    for name in graphs:
        digest = hashlib.sha256(trained.files[name]).hexdigest()
        assert name == f"graphs/{digest}.onnx"
        assert trained.manifest.files[name].sha256 == digest
    assert trained.files[graphs[2]] == OWN
    assert trained.manifest.periods[ALL].members == ("autoencoder@sequence", "lstm", "onnx")
    assert "onnxruntime" in trained.manifest.libraries


def test_a_bundle_from_files_scores_and_explains_as_the_one_that_was_trained(trained: TrainedBundle) -> None:
    bundle = opened(files(trained))
    rows = table(300, seed=1)
    rows.values[200, NAMES.index("load")] = 400.0
    rows.values[200, NAMES.index("load__delta")] = 350.0
    places = bundle.manifest.calendar.place(rows.window_end)
    scored = bundle.period(ALL).score(rows.values, places)
    assert scored.score[200] >= 2.0
    assert np.mean(scored.score[:200] >= 1.0) < 0.05
    assert NAMES[scored.reasons.metric[200, 0]] == "load"
    alone = opened(files(trained)).period(ALL).score(rows.values[200:201], places.take(np.array([200])))
    assert alone.score.tobytes() == scored.score[200:201].tobytes()


def test_the_same_data_and_seed_give_the_same_bundle(trained: TrainedBundle, model: Path) -> None:
    again = train(table(), policy=policy("autoencoder@sequence", "lstm", f"onnx:{model}"))
    assert again.version == trained.version


@pytest.mark.parametrize("number", range(3))
def test_a_graph_that_was_changed_or_is_gone_is_refused_before_it_runs(trained: TrainedBundle, number: int) -> None:
    name = graph_of(trained, number)
    whole = files(trained)
    flipped = bytearray(whole[name])
    flipped[len(flipped) // 2] ^= 1
    with pytest.raises(BundleError, match="damaged or was changed"):
        opened(whole | {name: bytes(flipped)}).verify()
    document = json.loads(whole[MANIFEST])
    del document["files"][name]
    with pytest.raises(BundleError, match="is not in the manifest"):
        opened(whole | {MANIFEST: json.dumps(document).encode()}).verify()


def put_in(trained: TrainedBundle, blob: bytes) -> dict[str, bytes]:
    """The bundle with another graph in place of one's own and hashes that fit, as whoever may write could make it."""
    arrays: dict[str, Any] = unpack(trained.files[ALL_FILE])
    arrays["2/detector/graph"] = np.frombuffer(hashlib.sha256(blob).digest(), np.uint8)
    changed = {ALL_FILE: pack(arrays), f"graphs/{hashlib.sha256(blob).hexdigest()}.onnx": blob}
    document = json.loads(trained.manifest.encode())
    document["files"] |= {
        name: {"sha256": hashlib.sha256(one).hexdigest(), "bytes": len(one)} for name, one in changed.items()
    }
    return {**trained.files, **changed, MANIFEST: json.dumps(document).encode()}


def test_a_graph_that_may_not_run_is_refused_even_if_every_hash_fits(trained: TrainedBundle) -> None:
    opened(put_in(trained, length(2))).verify()
    for blob, said in ((length(3), "no model"), (b"\x80\x04pickle", "not an ONNX graph"), (b"", "ONNX")):
        with pytest.raises(BundleError, match=said):
            opened(put_in(trained, blob)).verify()


def test_without_onnx_runtime_such_a_bundle_is_not_put_into_force_and_one_in_force_stops_with_the_extra_named(
    trained: TrainedBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(str(tmp_path))
    registry.save(trained.manifest, trained.files)
    loading = Loading(registry, 4)
    assert loading.problem("generic", "global", Aliases(trained.version)) is None
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    problem = loading.problem("generic", "global", Aliases(trained.version))
    assert problem is not None
    assert "pip install 'faultline[onnx]'" in problem
    bundle = loading.bundle("generic", "global", trained.version)
    with pytest.raises(Fatal, match=r"cannot be loaded: .*pip install 'faultline\[onnx\]'"):
        loading.model(bundle, ALL)


def test_a_model_that_does_not_fit_the_features_says_how_to_name_them(tmp_path: Path) -> None:
    for blob, said in (
        (length(3), r"rows of 3, but 6 features are learned from.*faultline\.features"),
        (length(2, ("load", "cpu")), "most rows lack them: cpu"),
    ):
        place = tmp_path / "mine.onnx"
        place.write_bytes(blob)
        with pytest.raises(TrainingError, match=said):
            train(table(300), policy=policy(f"onnx:{place}"))


def test_a_member_that_cannot_be_is_refused_before_any_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="with its path: onnx:PATH"):
        Ensemble.of(["onnx"])
    with pytest.raises(ValueError, match=r"gone\.onnx: No such file"):
        Ensemble.of([f"onnx:{tmp_path}/gone.onnx"])
    monkeypatch.setitem(sys.modules, "optax", None)
    with pytest.raises(ValueError, match=r"needs optax.*'faultline\[networks\]'"):
        Ensemble.of(["lstm"])
