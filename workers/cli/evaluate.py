"""`faultline evaluate`: how good scores are, against labels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from models.evaluation.figures import FIGURES
from workers.cli.failures import Failure, WrongUse
from workers.cli.judged import load
from workers.cli.judged_files import check_ending, save_anomalies, save_predictions
from workers.cli.judged_report import Report, Requirement
from workers.cli.learning_data import tell_bad_lines
from workers.cli.voice import Voice
from workers.settings import load_settings

app = typer.Typer(help="Judge scores against labels.")


@app.command()
def evaluate(
    scores: Annotated[Path, typer.Argument(help="What `faultline backtest --out` wrote.")],
    data: Annotated[
        list[Path],
        typer.Argument(help="What it was run on: tables (timestamp, entity, label, split) or made-up events."),
    ],
    require: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Fail unless reached: precision=0.953, fpr=0.118 (an upper bound)."),
    ] = None,
    nab: Annotated[bool, typer.Option("--nab", help="Also score as the Numenta Anomaly Benchmark does.")] = False,
    others: Annotated[
        list[Path] | None,
        typer.Option("--with", metavar="SCORES", help="Scores of another model: judge what the models agree on."),
    ] = None,
    agree: Annotated[
        int | None, typer.Option(min=1, help="With --with: how many models must flag a row. Default: most of them.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Every judged row with its outcome (.parquet, .csv).")
    ] = None,
    anomalies: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Flagged rows with their original records (.json, .ndjson)."),
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw how scores, alarms and metrics look.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No words besides the figures.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """How good scores are, row by row, event by event and as a ranking, over all entities and for each.

    Every row of DATA with a label that is not of the split `train` counts; one without a score counts as not flagged.
    Of made-up events (`faultline source synthetic --save-data`) the windows that were scored count, by the truth that
    lies beside them. Without any label there are no figures, only what was flagged.

    Example: faultline evaluate scores.parquet tables/ --require precision=0.953 --require fpr=0.118 --pictures out/

    Example: faultline evaluate forest.parquet day.parquet --with lof.parquet --with svm.parquet --anomalies found.json
    """
    voice = Voice.of(quiet, as_json)
    wanted = [_requirement(text) for text in require or []]
    members = [scores, *(others or [])]
    needed = _agreeing(len(members), agree)
    for path, endings in ((save, (".parquet", ".pq", ".csv")), (anomalies, (".json", ".ndjson", ".jsonl"))):
        check_ending(path, endings)
    judged = load(scores, data, members[1:], needed)
    for path, reason in judged.data.skipped.items():
        voice.say(f"skipped {path}: {reason}")
    tell_bad_lines(judged.data.oddities, voice)
    report = Report.of(judged, needed, nab or any(one.name.startswith("nab") for one in wanted), wanted)
    if save is not None:
        voice.say(f"{save}: {save_predictions(judged, save):,} rows")
    if anomalies is not None:
        voice.say(f"{anomalies}: {save_anomalies(judged, anomalies):,} anomalies")
    if pictures is not None:
        from workers.cli.picturing import draw_pictures  # matplotlib and the windows worker take seconds to load

        target = next((one.bound for one in wanted if one.name == "precision"), None)
        drawn = draw_pictures(judged, pictures, load_settings(), voice, target)
        voice.say(f"{pictures}: {', '.join(path.name for path in drawn)}")
    report.show(as_json)
    missed = report.missed()
    if missed:
        raise Failure(f"not reached: {'; '.join(missed)}")


def _requirement(text: str) -> Requirement:
    name, _, bound = text.partition("=")
    try:
        if name not in FIGURES or not math.isfinite(float(bound)):
            raise ValueError(text)
        return Requirement(name, float(bound))
    except ValueError as error:
        raise WrongUse(
            f"--require {text}: expected <figure>=<number>, with a figure of {', '.join(FIGURES)}"
        ) from error


def _agreeing(members: int, agree: int | None) -> int:
    """How many of the members must agree: more than half of them, if nothing else is said."""
    if agree is None:
        return members // 2 + 1
    if members == 1:
        raise WrongUse("--agree needs the scores of other models: --with SCORES")
    if agree > members:
        raise WrongUse(f"--agree {agree}: there are only {members} models")
    return agree
