"""`faultline train`: from telemetry in files to models in the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from models.detectors import BY_LABELS, DETECTORS
from models.ensembles import Ensemble
from models.registry import Aliases, Registry
from models.scope import GLOBAL, group_scope
from models.table import VectorTable, tables_of
from models.train import PERIOD_DAYS, HeldOut, TrainedBundle, TrainingError, TrainPolicy, train, train_entities
from workers.cli.budget import Budget, buy
from workers.cli.failures import Failure, WrongUse
from workers.cli.feature_export import save_features
from workers.cli.labels import Grid, Jobs, UseLabels, check_labels, read_labels
from workers.cli.learning_vectors import Lesson, Span
from workers.cli.periods import NO_PERIODS, Periods, PeriodsOption, read_periods
from workers.cli.promoting import open_registry, private_key, promote, tells_workers
from workers.cli.reading import parse_since
from workers.cli.train_report import line, summary
from workers.cli.usable import passed_over
from workers.cli.voice import Voice
from workers.cli.zones import zoned
from workers.incidents.policy import Policy as IncidentPolicy
from workers.knowing import knowledge_of
from workers.scoring.blocks import PROFILES_WITHOUT_OWN_THRESHOLDS
from workers.scoring.policy import Policy as ScoringPolicy
from workers.settings import Settings, load_settings
from workers.sources.progress import Counter

app = typer.Typer(help="Fit models on telemetry and put them into the registry.")


Detectors = Annotated[
    str,
    typer.Option(
        help="Members of the ensemble, separated by commas, each perhaps with a view (neighbours@steps), or onnx:PATH, "
        "a model of your own (docs/models.md); default: what suits the features (docs/detection.md). There are "
        f"{', '.join((*DETECTORS, *BY_LABELS))}."
    ),
]


def ensemble_of(text: str) -> Ensemble | None:
    """The ensemble that `--detectors` names; None for the default."""
    try:
        return Ensemble.of(text.split(",")) if text else None
    except ValueError as error:
        raise WrongUse(f"--detectors: {error}") from error


BudgetOption = Annotated[
    str,
    typer.Option(
        "--budget",
        help="How many incidents there may be of all entities together (3/week, 0.5/day, 10/month), instead of the "
        "usual rate of alarms. With --scope group: of each group.",
    ),
]


def budget_of(text: str) -> Budget | None:
    """The budget that `--budget` states; None for none."""
    try:
        return Budget.parse(text) if text else None
    except ValueError as error:
        raise WrongUse(f"--budget: {error}") from error


def span_of(since: str, until: str) -> Span:
    """The span that `--since` and `--until` state. Raises `WrongUse`."""
    first = parse_since(since) * 1_000 if since else None
    last = parse_since(until, "--until") * 1_000 if until else None
    if first is not None and last is not None and first >= last:
        raise WrongUse("--since lies behind --until: no window ends in between")
    return Span(first, last)


class Scope(StrEnum):
    entity = "entity"
    group = "group"
    everything = "global"
    both = "both"


@app.command()
def train_command(
    data: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files or folders: canonical events, or tables of metrics; or an archive's folder or URL.",
            show_default=False,
        ),
    ] = None,
    from_topic: Annotated[
        str, typer.Option("--from-topic", help="Instead of DATA: what lies in Kafka, vectors or canonical events.")
    ] = "",
    since: Annotated[str, typer.Option(help="Only windows that end from then on: 30d, or a time.")] = "",
    until: Annotated[str, typer.Option(help="Only windows that end before then.")] = "",
    scope: Annotated[
        Scope,
        typer.Option(help="A model for each entity, for each group of scoring.groups, for all, or entity and all."),
    ] = Scope.both,
    budget: BudgetOption = "",
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
    use_labels: UseLabels = False,
    periods: PeriodsOption = None,
    grid: Grid = False,
    jobs: Jobs = 1,
    seed: Annotated[int, typer.Option(help="The same data and seed give the same models.")] = 0,
    tag: Annotated[str, typer.Option(help="Kept in the bundle: what went in. Default: the names of the files.")] = "",
    split: Annotated[str, typer.Option(help="Of tables with a column split, only rows of this one.")] = "",
    save_features_to: Annotated[
        Path | None,
        typer.Option(
            "--save-features",
            metavar="FOLDER",
            help="Also save the vectors as Parquet and CSV (full, train, validation), with what is known of each.",
        ),
    ] = None,
    no_promote: Annotated[bool, typer.Option("--no-promote", help="Store the models without using them.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no words: only errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was trained as JSON.")] = False,
) -> None:
    """Take events through the windows worker's own steps and learn from the vectors, or from vectors as they lie in an
    archive or on a topic. Kafka is needed only for the latter.

    Example: faultline source synthetic --days 7 --no-send --save-data week.parquet && faultline train week.parquet
    """
    settings, voice = load_settings(), Voice.of(quiet, as_json)
    registry, ensemble = open_registry(settings), ensemble_of(detectors)
    check_labels(use_labels, grid, budget, ensemble)
    allowed, known = budget_of(budget), read_periods(periods)
    lesson = Lesson.of(data or [], from_topic, span_of(since, until))
    key = private_key(Path(settings.registry.signing_key)) if settings.registry.signing_key else None
    policy = TrainPolicy(
        ensemble=ensemble,
        contamination=contamination,
        min_period_days=period_days,
        seed=seed,
        tag=tag or lesson.name,
        search=grid,
        rules=knowledge_of(settings).rules,
        jobs=jobs,
    )
    policy = zoned(policy, settings.scoring)
    trained: list[TrainedBundle] = []
    reasons: list[str] = []
    for table in read_tables(lesson, settings, voice, split, use_labels, known):
        if save_features_to is not None:
            voice.say(f"saved {len(table):,} vectors in {save_features(table, save_features_to)}")
        new = learn(table, scope, policy, registry, voice, settings, allowed, reasons)
        if key is not None:
            for one in new:
                registry.sign(one.manifest.profile, one.manifest.scope, one.version, key)
        trained += new
    if not trained:
        raise Failure(f"no model was trained: {'; '.join(reasons[:3]) or 'there are no vectors to learn from'}")
    told = None if no_promote else promote_all(trained, settings, registry)
    document = {"models": [line(one) for one in trained], "promoted": told is not None}
    voice.report(summary(trained, settings, told), document)
    for version, why in passed_over(settings, {one.version: one.manifest for one in trained}).items():
        voice.say(f"{version}: {why}")


def read_tables(
    data: Lesson | Sequence[Path],
    settings: Settings,
    voice: Voice,
    split: str,
    use_labels: bool = False,
    periods: Periods = NO_PERIODS,
) -> list[VectorTable]:
    """The vectors, one table per profile and feature set, those of masked periods left out; with the labels of files,
    and those of periods, if these are to be used.
    """
    lesson = data if isinstance(data, Lesson) else Lesson.of(data)
    tape = lesson.tape(voice, split)
    files = tape.files if tape else {}
    known = read_labels(lesson.files, files, split, required=not periods.labelled) if use_labels else None
    tables = tables_of(lesson.blocks(tape, settings, voice))
    if known is not None:
        tables = [periods.label(known.of(table)) for table in tables]
    return [left for table in tables if len(left := _unmasked(table, periods, voice))]


def _unmasked(table: VectorTable, periods: Periods, voice: Voice) -> VectorTable:
    left = periods.unmasked(table)
    if len(left) < len(table):
        voice.say(f"{table.profile}: {len(table) - len(left):,} of {len(table):,} vectors are masked and left out")
    return left


def learn(
    table: VectorTable,
    scope: Scope,
    policy: TrainPolicy,
    registry: Registry,
    voice: Voice,
    settings: Settings,
    budget: Budget | None = None,
    reasons: list[str] | None = None,
) -> list[TrainedBundle]:
    """Train and store the bundles of one table; says what could not be learned, and adds it to `reasons`."""
    stored: list[TrainedBundle] = []
    failed = reasons if reasons is not None else []

    def within_budget(entities: int) -> TrainPolicy:
        """The policy for models of entities of which so many share the budget."""
        if budget is None:
            return policy

        def rate(scope_name: str, held: HeldOut) -> float:
            own = settings.scoring.own_thresholds and table.profile not in PROFILES_WITHOUT_OWN_THRESHOLDS
            cuts = ScoringPolicy.of(settings).cuts
            bought = buy(budget, entities, held, IncidentPolicy.of(settings.incidents), cuts, own)
            voice.say(f"{table.profile} {scope_name}: {bought.sentence(budget, entities)}")
            return bought.alpha

        return replace(policy, rate=rate)

    def said(scope_name: str, period: str) -> None:
        voice.say(f"{table.profile} {scope_name}: {period}")

    def keep(result: TrainedBundle | str, counter: Counter) -> None:
        if isinstance(result, str):
            failed.append(f"{table.profile} {result}")
            voice.say(failed[-1])
        else:
            if result.remark:
                voice.say(f"{table.profile} {result.manifest.scope}: {result.remark}")
            registry.save(result.manifest, result.files)
            stored.append(result)
        counter.add(1)

    wanted = {GLOBAL: table} if scope in (Scope.everything, Scope.both) else {}
    if scope is Scope.group:
        wanted = _groups(table, settings.scoring.groups)
        for group in settings.scoring.groups:
            if group_scope(group) not in wanted:
                pattern = settings.scoring.groups[group]
                failed.append(f"{table.profile} {group_scope(group)}: no entity is called {pattern!r}")
                voice.say(failed[-1])
    entities = len(table.entities) if scope in (Scope.entity, Scope.both) else 0
    with voice.counter("learning", entities + len(wanted), "models") as counter:
        if entities:
            for result in train_entities(table, within_budget(entities), said):
                keep(result, counter)
        for name, part in wanted.items():
            try:
                keep(train(part, name, within_budget(len(np.unique(part.entity))), said), counter)
            except TrainingError as error:
                keep(f"{name}: {error}", counter)
    return stored


def _groups(table: VectorTable, groups: Mapping[str, str]) -> dict[str, VectorTable]:
    """The vectors of each group's entities, by scope. Raises WrongUse where no group is stated."""
    if not groups:
        raise WrongUse('--scope group: FAULTLINE_SCORING__GROUPS states no group; write such as {"payments": "pay-*"}')
    found = {}
    for group, pattern in groups.items():
        mine = [entity for entity in table.entities if fnmatchcase(entity, pattern)]
        if mine:
            found[group_scope(group)] = table.of_entities(mine)
    return found


def promote_all(trained: list[TrainedBundle], settings: Settings, registry: Registry) -> bool:
    """Make every bundle the champion of its scope, keeping challengers; whether running workers were told."""
    for one in trained:
        name = (one.manifest.profile, one.manifest.scope)
        challenger = registry.aliases(*name).challenger
        promote(settings, registry, name, Aliases(one.version, challenger if challenger != one.version else None))
    return tells_workers(settings)
