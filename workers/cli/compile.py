"""`faultline compile`: have every compiled function ready before the first record comes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer

from workers.cli.failures import Failure
from workers.cli.output import print_json, print_table
from workers.runtime.logs import configure
from workers.runtime.records import Output, Records
from workers.runtime.stage import NO_WATERMARK
from workers.settings import Settings, load_settings

app = typer.Typer(help="Compile the workers' inner loops now, so that their first start need not.")

_MINUTE = 60_000_000
_SPAN_MINUTES = 45
"""Enough of a day for every window to fill, for entities to fall silent, and for the untrained rule to score."""


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
    done = run_through(settings)
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


def run_through(settings: Settings) -> dict[str, Ran]:
    """Take events of every kind through the steps of all workers, scoring with models and without."""
    from workers.incidents.stage import build as incidents
    from workers.intake.stage import build as intake
    from workers.scoring.stage import build as scoring
    from workers.windows.stage import build as windows

    names = settings.topics
    done: dict[str, Ran] = {}

    def ran(step: str, stage: Any, records: Records) -> list[Output]:
        began = time.monotonic()
        outputs = _run(stage, records)
        done[step] = Ran(len(records), len(outputs), time.monotonic() - began)
        return outputs

    events = ran("intake", intake(settings, {names.events: 1}), _from(_made_up("raw"), "raw"))
    vectors = ran("windows", windows(settings), _from(events, names.events))
    features = _from(vectors, names.features)
    # The models that happen to be in the registry here are not those of the machine that will run this.
    scores = ran("scoring, untrained", scoring(with_registry(settings, "")), features)
    with TemporaryDirectory() as folder:
        if _learn(features, folder):
            ran("scoring, trained", scoring(with_registry(settings, folder)), features)
    _walk_a_forest()
    ran("incidents", incidents(settings), _from(scores, names.scores))
    return done


def with_registry(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"registry": settings.registry.model_copy(update={"url": url})})


def _learn(features: Records, folder: str) -> bool:
    """Models of all profiles in a new registry; False, and a word about it, without the training extra."""
    if find_spec("scipy") is None:
        print("faultline: not compiled is what scores by models: it takes the extra `train`", file=sys.stderr)
        return False
    from models.registry import Aliases, Registry
    from models.table import tables_of
    from models.train import TrainPolicy, train
    from schemas.vectors import decode_vectors

    registry = Registry(folder)
    blocks, _ = decode_vectors(features.values)
    for table in tables_of(blocks):
        bundle = train(table, policy=TrainPolicy(detectors=("deviation",), min_rows=20))
        version = registry.save(bundle.manifest, bundle.files)
        registry.promote(bundle.manifest.profile, bundle.manifest.scope, Aliases(version))
    return True


def _walk_a_forest() -> None:
    """An isolation forest of one split: growing a real one needs scikit-learn, walking it does not."""
    from models.detectors.forest import IsolationForest

    forest = IsolationForest(
        roots=np.zeros(1, np.int32),
        feature=np.array([0, -1, -1], np.int32),
        left=np.array([1, -1, -1], np.int32),
        threshold=np.zeros(3),
        depth=np.ones(3),
        normaliser=1.0,
        width=1,
    )
    X = np.array([[-1.0], [1.0]])
    forest.score(X)
    forest.explain(X, np.arange(2))


def _run(stage: Any, records: Records) -> list[Output]:
    """The outputs of a stage over all records, cut once so that a checkpoint and its way back run as well."""
    state = stage.start(0, NO_WATERMARK, [])
    outputs: list[Output] = []
    half = len(records) // 2
    for part in (records.slice(0, half), records.slice(half, len(records))):
        if len(part):
            for chunk in stage.step(state, part):
                outputs += chunk.outputs
        parts = {name: part.encode() for name, part in stage.parts(state).items()}
        if parts:
            state = stage.restore(0, parts)
    return outputs


def _from(outputs: Sequence[Output], topic: str) -> Records:
    """Outputs to one topic as the records that the next worker reads."""
    mine = [output for output in outputs if output.topic == topic]
    stamps = np.full(len(mine), int(time.time() * 1e6), np.int64)
    return Records(
        topic,
        0,
        np.arange(len(mine), dtype=np.int64),
        stamps,
        [output.key for output in mine],
        [output.value for output in mine],
        [list(output.headers) for output in mine],
    )


def _made_up(topic: str) -> list[Output]:
    """Raw records of services, logs and hosts with anomalies among them: JSON, and canonical Avro."""
    from schemas.events import encode_events

    written: list[Output] = []
    for number, events in enumerate(_events()):
        values = encode_events(events, form="json" if number % 2 else "avro")
        written += [Output(topic, None, value) for value in values]
    return written


def _events() -> Iterator[Any]:
    from workers.sources.synthetic.generate import generate
    from workers.sources.synthetic.plan import Plan
    from workers.sources.synthetic.truth import schedule

    for profile in ("service", "log", "host"):
        plan = Plan(profile, days=_SPAN_MINUTES / 1440, interval=_MINUTE, entities=2, anomaly_rate=0.2, volume=0.2)
        yield from generate(schedule(plan))
