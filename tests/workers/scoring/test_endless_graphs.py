"""A graph that only shows in force how long it takes stops the worker with words, and does not hold it for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.detectors import graph_limits
from models.detectors.base import GRAPH
from models.ensembles import Ensemble
from models.manifest import MANIFEST, Manifest
from models.registry import Aliases, Registry
from models.train import TrainPolicy
from tests.contract.stage_contract import run
from tests.models.detectors.own_graphs import length, scans
from tests.models.every_detector import with_own_file
from tests.workers.scoring.vectors import records, stage, traffic, trained
from workers.runtime.errors import Fatal
from workers.runtime.stage import NO_WATERMARK


def test_a_graph_that_takes_too_long_for_a_row_stops_the_worker_with_the_model_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(length())
    learned = trained(policy=TrainPolicy(Ensemble.of((f"onnx:{mine}",))))
    files = with_own_file({**learned.files, MANIFEST: learned.manifest.encode()}, GRAPH, scans(200, 2))
    registry, manifest = Registry(str(tmp_path / "registry")), Manifest.decode(files.pop(MANIFEST))
    version = registry.save(manifest, files)
    registry.promote("service", "global", Aliases(version))
    monkeypatch.setattr(graph_limits, "LOOKS", 0.001)
    one = stage(tmp_path / "registry")
    state = one.start(3, NO_WATERMARK, [])
    run(one, state, records(traffic(["a"], 1)))
    monkeypatch.setattr(graph_limits, "MOST_SECONDS", 0.005)
    with pytest.raises(Fatal, match=rf"global {version} cannot score: the ONNX graph took .* Promote another version"):
        run(one, state, records(traffic(["a"], 40), first=200))
