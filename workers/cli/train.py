"""`faultline train`: from telemetry in files to models in the registry."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from models.detectors import DETECTORS
from models.ensembles import Ensemble
from models.periods import Calendar, PeriodError
from models.registry import Aliases, Registry
from models.table import VectorTable, tables_of
from models.train import PERIOD_DAYS, TrainedBundle, TrainingError, TrainPolicy, train, train_entities
from workers.cli.failures import Failure, WrongUse
from workers.cli.learning_data import counted, open_tape
from workers.cli.offline import vector_blocks
from workers.cli.promoting import open_registry, promote, tells_workers
from workers.cli.sending import Voice
from workers.settings import Settings, load_settings

app = typer.Typer(help="Fit models on telemetry and put them into the registry.")


Detectors = Annotated[
    str,
    typer.Option(
        help="Members of the ensemble, separated by commas, each perhaps with a view (neighbours@steps); default: what "
        f"suits the features (docs/detection.md). There are {', '.join(DETECTORS)}."
    ),
]


def ensemble_of(text: str) -> Ensemble | None:
    """The ensemble that `--detectors` names; None for the default."""
    try:
        return Ensemble.of(text.split(",")) if text else None
    except ValueError as error:
        raise WrongUse(f"--detectors: {error}") from error


class Scope(StrEnum):
    entity = "entity"
    everything = "global"
    both = "both"


@app.command()
def train_command(
    data: Annotated[list[Path], typer.Argument(help="Files or folders: canonical events, or tables of metrics.")],
    scope: Annotated[Scope, typer.Option(help="A model for each entity, one for all, or both.")] = Scope.both,
    contamination: Annotated[
        float,
        typer.Option(
            min=0, max=0.49, help="Share of the rows that may be anomalous: trimmed, or without a say in the tail."
        ),
    ] = 0.01,
    detectors: Detectors = "",
    period_days: Annotated[
        int, typer.Option(min=1, help="Local days from which a behavioural period gets a model of its own.")
    ] = PERIOD_DAYS,
    seed: Annotated[int, typer.Option(help="The same data and seed give the same models.")] = 0,
    tag: Annotated[str, typer.Option(help="Kept in the bundle: what went in. Default: the names of the files.")] = "",
    split: Annotated[str, typer.Option(help="Of tables with a column split, only rows of this one.")] = "",
    no_promote: Annotated[bool, typer.Option("--no-promote", help="Store the models without using them.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no words: only errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was trained as JSON.")] = False,
) -> None:
    """Take events through the windows worker's own steps and learn from the vectors; no Kafka is needed.

    Example: faultline source synthetic --days 7 --save-data week.parquet && faultline train week.parquet
    """
    settings, voice = load_settings(), Voice.of(quiet, as_json)
    registry = open_registry(settings)
    try:
        policy = TrainPolicy(
            ensemble=ensemble_of(detectors),
            contamination=contamination,
            min_period_days=period_days,
            seed=seed,
            calendar=Calendar(settings.scoring.timezone, tuple(settings.scoring.holidays)),
            tag=tag or " ".join(path.name for path in data),
        )
    except PeriodError as error:
        raise WrongUse(str(error)) from error
    trained = []
    for table in read_tables(data, settings, voice, split):
        trained += learn(table, scope, policy, registry, voice)
    if not trained:
        raise Failure("no model was trained; see above")
    told = None if no_promote else _promote_all(trained, settings, registry)
    document = {"models": [_line(one) for one in trained], "promoted": told is not None}
    voice.report(_summary(trained, settings, told), document)


def read_tables(data: list[Path], settings: Settings, voice: Voice, split: str) -> list[VectorTable]:
    """The vectors of the files, one table per profile and feature set."""
    tape = open_tape(data, voice, split)
    with counted(tape, voice, "reading") as blocks:
        return tables_of(vector_blocks(blocks, settings))


def learn(
    table: VectorTable, scope: Scope, policy: TrainPolicy, registry: Registry, voice: Voice
) -> list[TrainedBundle]:
    """Train and store the bundles of one table; says what could not be learned."""
    stored: list[TrainedBundle] = []

    def said(scope_name: str, period: str) -> None:
        voice.say(f"{table.profile} {scope_name}: {period}")

    def keep(result: TrainedBundle | str) -> None:
        if isinstance(result, str):
            voice.say(f"{table.profile} {result}")
        else:
            registry.save(result.manifest, result.files)
            stored.append(result)

    if scope in (Scope.entity, Scope.both):
        for result in train_entities(table, policy, said):
            keep(result)
    if scope in (Scope.everything, Scope.both):
        try:
            keep(train(table, policy=policy, progress=said))
        except TrainingError as error:
            keep(f"global: {error}")
    return stored


def _promote_all(trained: list[TrainedBundle], settings: Settings, registry: Registry) -> bool:
    """Make every bundle the champion of its scope, keeping challengers; whether running workers were told."""
    for one in trained:
        name = (one.manifest.profile, one.manifest.scope)
        challenger = registry.aliases(*name).challenger
        promote(settings, registry, name, Aliases(one.version, challenger if challenger != one.version else None))
    return tells_workers(settings)


def _line(one: TrainedBundle) -> dict[str, object]:
    m = one.manifest
    return {
        "profile": m.profile,
        "scope": m.scope,
        "version": one.version,
        "rows": m.training.rows,
        "periods": {name: dict(entry.held_out) for name, entry in m.periods.items()},
        "bytes": sum(entry.bytes for entry in m.files.values()),
    }


def _summary(trained: list[TrainedBundle], settings: Settings, told: bool | None) -> str:
    lines = [
        f"{one.manifest.profile} {one.manifest.scope}: {one.version}, {one.manifest.training.rows:,} vectors, "
        f"periods {', '.join(one.manifest.periods)}"
        for one in trained
    ]
    if told is None:
        lines.append(f"stored in {settings.registry.url}; put in force with `faultline models promote`")
    elif told:
        lines.append(f"in force in {settings.registry.url} and told to running workers")
    else:
        lines.append(
            f"in force in {settings.registry.url} for workers that start anew; no broker is configured "
            "(FAULTLINE_KAFKA__BOOTSTRAP_SERVERS), so running ones were not told"
        )
    return "\n".join(lines)
