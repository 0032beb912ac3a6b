"""`faultline drift`: whether what comes is still like what the models were trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.records import decode
from workers.cli.drifting import COLUMNS, LATEST_COLUMNS, Drift, latest_rows, written
from workers.cli.failures import Failure
from workers.cli.output import console, print_json, print_table
from workers.cli.voice import Voice
from workers.settings import Settings, load_settings

app = typer.Typer(help="Tell whether telemetry is still like what the models were trained on.")


@app.command()
def drift(
    data: Annotated[
        list[Path] | None,
        typer.Argument(help="Events or tables to measure by the models in force; without any, the running system's."),
    ] = None,
    since: Annotated[str, typer.Option(help="Records of the running system: all, a span (2d) or a time.")] = "7d",
    entity: Annotated[str, typer.Option(help="Only entities with this text in their name.")] = "",
    most: Annotated[int, typer.Option("--most", min=0, help="Entities to list, those furthest off first.")] = 20,
    require: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Fail (exit code 1) where a larger share of the days has shifted, or there are none."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no words: only errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
) -> None:
    """Compare each entity's days with the training of the model that scores it.

    A feature has shifted where its population stability index is above 0.25 and one and a half times the highest of
    training's own days together. A day is told of when the next one has begun.

    Example: faultline drift --since 2d --require 0.2 || faultline train last_month/
    """
    settings, voice = load_settings(), Voice.of(quiet, as_json)
    records = _measured(data, settings, voice) if data else written(settings, since)
    found = Drift.of(record for record in records if entity in record["entity"])
    if as_json:
        print_json(found.document())
    elif not quiet:
        _print(found, most, bool(data))
    if require is not None and not found.days:
        raise Failure("--require: there is no day to judge by")
    if require is not None and found.shifted > require * found.days:
        raise Failure(f"{found.shifted:,} of {found.days:,} days have shifted, more than {require:.0%} of them")


def _measured(data: list[Path], settings: Settings, voice: Voice) -> Iterator[Mapping[str, Any]]:
    """What the scoring worker would have written of files. Raises `WrongUse`."""
    from workers.cli.learning_data import counted, open_tape
    from workers.cli.offline import Feed, feature_records
    from workers.cli.promoting import open_registry
    from workers.runtime.logs import configure
    from workers.scoring.stage import build

    open_registry(settings)
    configure("warning", settings.log.format)
    with counted(open_tape(data, voice), voice, "measuring") as blocks:
        feed = Feed(build(settings), settings.topics.features)
        for features in feature_records(blocks, settings):
            values = [one.value for one in feed.take_outputs(features) if one.topic == settings.topics.drift]
            yield from (record for record in decode("Drift", values)[0] if record is not None)


def _print(found: Drift, most: int, of_files: bool) -> None:
    if not found.days:
        of_running = "the topic has none of this time; scoring.watch_drift must be on, and a model in force"
        console().print(
            f"no day to tell of: {'no entity has a model and 20 windows a day' if of_files else of_running}",
            markup=False,
        )
        return
    print_table(COLUMNS, found.rows())
    worst = found.worst()
    if worst and most:
        print_table(LATEST_COLUMNS, latest_rows(worst[:most]), title="\nentities whose last day has shifted")
        if len(worst) > most:
            console().print(f"and {len(worst) - most:,} more (--most)", markup=False)
    elif not worst:
        console().print("\nno entity's last day has shifted", markup=False)
