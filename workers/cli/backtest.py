"""`faultline backtest`: what a model trained on the past would have said of what came after, and which incidents."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from models.registry import Aliases, Registry
from models.table import VectorTable
from models.train import PERIOD_DAYS, TrainPolicy
from workers.cli.backtesting import TableRows, Verdicts, replay, rows_of
from workers.cli.budget import Budget
from workers.cli.failures import Failure, WrongUse
from workers.cli.labels import Grid, Jobs, UseLabels, check_labels
from workers.cli.learning_data import check_there, counted, open_tape
from workers.cli.out_files import check_ending, prepare, writing
from workers.cli.periods import PeriodsOption, read_periods
from workers.cli.promoting import open_registry
from workers.cli.train import BudgetOption, Detectors, Scope, budget_of, ensemble_of, learn, read_tables
from workers.cli.voice import Voice
from workers.cli.zones import zoned
from workers.knowing import knowledge_of
from workers.runtime.logs import configure
from workers.settings import Settings, load_settings

app = typer.Typer(help="Train on the past, score what came after as the workers would.")


@app.command()
def backtest(
    data: Annotated[
        list[Path],
        typer.Argument(help="Tables (Parquet, CSV, NDJSON: timestamp, entity, split, metrics), events, or folders."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Parquet file for the scores.")],
    contamination: Annotated[
        float, typer.Option(min=0, max=0.49, help="Share of training rows that may be anomalous.")
    ] = 0.01,
    budget: BudgetOption = "",
    detectors: Detectors = "",
    period_days: Annotated[
        int, typer.Option(min=1, help="Local days from which a behavioural period gets a model of its own.")
    ] = PERIOD_DAYS,
    use_labels: UseLabels = False,
    periods: PeriodsOption = None,
    grid: Grid = False,
    jobs: Jobs = 1,
    seed: Annotated[int, typer.Option(help="The same data and seed give the same scores.")] = 0,
    no_train: Annotated[
        bool, typer.Option("--no-train", help="Score by the models that the registry has in force; train nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no words: only errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Train on rows with split=train, score every other row through the workers' own steps, in time order.

    Writes entity, timestamp, anomaly_score, is_anomaly, severity, incident_id, reason and, where flagged, the
    contributions. Entities without training rows are scored by the untrained rule. Of events instead of tables every
    window is scored, by the registry's models with --no-train. Labels are read only with --use-labels, and those of
    split=train alone.

    Example: faultline backtest tables/ --out scores.parquet
    """
    settings, voice, ensemble = load_settings(), Voice.of(quiet, as_json), ensemble_of(detectors)
    check_labels(use_labels, grid, budget, ensemble)
    allowed, known = budget_of(budget), read_periods(periods)
    check_ending(out, (".parquet", ".pq"))
    if no_train and (use_labels or periods):
        what = "--use-labels" if use_labels else "--periods"
        raise WrongUse(f"{what} is for training, and --no-train trains nothing: give one of them")
    configure("warning", settings.log.format)
    check_there(data)
    prepare(out)
    rows = rows_of(data)
    if not len(rows) and not rows.open:
        open_tape(data, voice)  # says what is wrong with the files, if that is it
        raise WrongUse("no row of DATA is to be scored: all have split=train")
    policy = TrainPolicy(
        ensemble=ensemble,
        contamination=contamination,
        min_period_days=period_days,
        seed=seed,
        tag="backtest",
        search=grid,
        rules=knowledge_of(settings).rules,
        jobs=jobs,
    )
    policy = zoned(policy, settings.scoring)
    if no_train:
        open_registry(settings)
        verdicts = _score(data, settings, voice, rows)
    else:
        with tempfile.TemporaryDirectory(prefix="faultline-backtest-") as folder:
            registry = Registry(folder)
            if rows.has_train:
                tables = read_tables(data, settings, voice, "train", use_labels, known)
                _train(tables, settings, voice, policy, registry, allowed)
            verdicts = _score(data, settings.with_registry(folder), voice, rows)
    with writing(out):
        verdicts.write(out)
    _report(verdicts, out, voice)


def _score(data: list[Path], settings: Settings, voice: Voice, rows: TableRows) -> Verdicts:
    with counted(open_tape(data, voice), voice, "scoring") as blocks:
        return replay(blocks, rows, settings)


def _train(
    tables: list[VectorTable],
    settings: Settings,
    voice: Voice,
    policy: TrainPolicy,
    registry: Registry,
    budget: Budget | None,
) -> None:
    for table in tables:
        for one in learn(table, Scope.entity, policy, registry, voice, settings, budget):
            registry.promote(one.manifest.profile, one.manifest.scope, Aliases(one.version))


def _report(verdicts: Verdicts, out: Path, voice: Voice) -> None:
    summary = verdicts.summary()
    if not summary["scored"]:
        raise Failure("no row got a score: is the profile `generic` enabled (FAULTLINE_WINDOWS__ENABLED)?")
    voice.report(
        f"{out}: {summary['scored']:,} of {summary['rows']:,} rows scored, {summary['anomalies']:,} anomalous, "
        f"{summary['incidents']:,} incidents",
        {"out": str(out), **summary},
    )
