"""`faultline compile`: have every compiled function ready before the first record comes."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer

from workers.cli.failures import Failure
from workers.cli.output import print_json, print_table
from workers.cli.warming import made_up_raw, records_of, run_through
from workers.runtime.logs import configure
from workers.runtime.records import Output, Records
from workers.settings import Settings, load_settings

_LEAST_ROWS = 20
"""Vectors that are enough to learn a model from."""

app = typer.Typer(help="Compile the workers' inner loops now, so that their first start need not.")


@app.command("compile")
def compile_kernels(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
) -> None:
    """Run made-up telemetry through every worker's step, in memory, so that all of numba's cache is filled.

    Needs no Kafka and no Redis. For images and for machines where the first start must be quick: the cache lies
    beside the installed code, or where NUMBA_CACHE_DIR says, and holds for one kind of processor (NUMBA_CPU_NAME).

    Example: NUMBA_CACHE_DIR=/opt/kernels NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES= faultline compile
    """
    settings = load_settings()
    configure("warning", settings.log.format, worker="compile")
    done = compile_all(settings)
    if as_json:
        print_json({name: asdict(one) for name, one in done.items()})
    else:
        rows = [(name, one.records, one.outputs, f"{one.seconds:.1f}") for name, one in done.items()]
        print_table(("step", "records", "outputs", "seconds"), rows)
    idle = [name for name, one in done.items() if not one.records]
    if idle:
        raise Failure(f"{', '.join(idle)} had no record to run on, so nothing of it was compiled: please report it")


@dataclass(frozen=True, slots=True)
class Ran:
    """What one worker's step was given, what it gave, and how long that took."""

    records: int
    outputs: int
    seconds: float


def compile_all(settings: Settings) -> dict[str, Ran]:
    """Take events of every kind through the steps of all workers, scoring with models and without."""
    from models.logs.masking import mask
    from workers.incidents.stage import build as incidents
    from workers.intake.stage import build as intake
    from workers.scoring.stage import build as scoring
    from workers.windows.stage import build as windows

    names = settings.topics
    done: dict[str, Ran] = {}

    def ran(step: str, stage: Any, records: Records) -> list[Output]:
        began = time.monotonic()
        outputs = run_through(stage, records)
        done[step] = Ran(len(records), len(outputs), time.monotonic() - began)
        return outputs

    events = ran("intake", intake(settings, {names.events: 1}), records_of(made_up_raw("raw"), "raw"))
    vectors = ran("windows", windows(settings), records_of(events, names.events))
    features = records_of(vectors, names.features)
    # The models that happen to be in the registry here are not those of the machine that will run this.
    scores = ran("scoring, untrained", scoring(settings.with_registry("")), features)
    with TemporaryDirectory() as folder:
        if _learn(features, folder):
            ran("scoring, trained", scoring(settings.with_registry(folder)), features)
    _run_detectors()
    mask(["compiled for messages by kind"])
    ran("incidents", incidents(settings), records_of(scores, names.scores))
    return done


def _learn(features: Records, folder: str) -> bool:
    """Models of all profiles in a new registry; False, and a word about it, without the training extra."""
    if find_spec("scipy") is None:
        print("faultline: not compiled is what scores by models: it takes the extra `train`", file=sys.stderr)
        return False
    from models.ensembles import Ensemble
    from models.registry import Aliases, Registry
    from models.table import tables_of
    from models.train import TrainPolicy, train
    from schemas.vectors import decode_vectors

    registry = Registry(folder)
    blocks, _ = decode_vectors(features.values)
    for table in tables_of(blocks):
        if len(table) < _LEAST_ROWS:  # what the wire formats' samples became
            continue
        bundle = train(table, policy=TrainPolicy(Ensemble.of(("deviation",)), min_rows=_LEAST_ROWS))
        version = registry.save(bundle.manifest, bundle.files)
        registry.promote(bundle.manifest.profile, bundle.manifest.scope, Aliases(version))
    return True


def _run_detectors() -> None:
    """Every detector, and views of samples, on two rows. What scikit-learn fits is made up: to score takes none."""
    from models.detectors.boosted_trees import BoostedTrees
    from models.detectors.forecast import Forecast
    from models.detectors.forest import IsolationForest
    from models.detectors.local_outlier import LocalOutlier
    from models.detectors.mahalanobis import Mahalanobis
    from models.detectors.neighbours import Neighbours
    from models.detectors.one_class_svm import OneClassSVM
    from models.naming import naming
    from models.views import NOW, View

    forest = IsolationForest(
        roots=np.zeros(1, np.int32),
        feature=np.array([0, -1, -1], np.int32),
        left=np.array([1, -1, -1], np.int32),
        threshold=np.zeros(3),
        depth=np.ones(3),
        normaliser=1.0,
        width=1,
    )
    machine = OneClassSVM(
        spread=np.ones(1), reference=np.zeros((1, 1), np.float32), weight=np.ones(1), gamma=1.0, offset=1.0
    )
    trees = BoostedTrees(
        ubj=np.empty(0, np.uint8),
        base=np.float32(0.0),
        roots=forest.roots,
        feature=forest.feature,
        left=forest.left,
        threshold=np.zeros(3, np.float32),
        value=np.ones(3, np.float32),
        whole=np.ones(1, np.bool_),
    )
    X = np.array([[-1.0], [1.0]])
    fitted = (kind.fit(X, 0) for kind in (Neighbours, LocalOutlier, Mahalanobis, Forecast))
    for detector in (forest, machine, trees, *fitted):
        detector.score(X)
        detector.explain(X, np.arange(2))
    named, rows = naming(("x", "x__mean_30", "x__delta")), np.arange(6.0).reshape(2, 3)
    for view in (NOW, "steps"):
        View.fit(view, named, rows).of(rows, rows)
