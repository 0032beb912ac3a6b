"""`faultline scores`: follow what the models say, as it is committed."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, cast

import typer
from rich.markup import escape

from schemas.records import encode
from workers.cli.output import console
from workers.cli.tailing import Record, Tail, shown_time, styled, tail
from workers.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Follow the scores as they are committed.")


@app.callback()
def scores() -> None:
    """Follow the scores as they are committed."""


@app.command("tail")
def tail_scores(
    entity: Annotated[str, typer.Option(help="Only entities with this text in their name.")] = "",
    anomalies: Annotated[bool, typer.Option("--anomalies", help="Only scores of 1 and above.")] = False,
    minimum: Annotated[float, typer.Option("--min", min=0, max=10, help="Only scores of at least this.")] = 0.0,
    since: Annotated[str, typer.Option(help="From now on; or all, 10m, 2h, or a time.")] = "",
    stop: Annotated[bool, typer.Option("--stop", help="End at the end as it is now; with --since.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="End after this many.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON record a line, as on the topic.")] = False,
) -> None:
    """Scores as a downstream reader sees them: committed ones only. 1.0 is the boundary for every model.

    Example: faultline scores tail --anomalies --since 1h --json | jq .contributions
    """
    settings = load_settings()
    what = Tail(settings.topics.scores, "Score", since, stop, limit)

    def wanted(score: Record) -> bool:
        value = cast(float, score["anomaly_score"])
        return entity in str(score["entity"]) and value >= minimum and (value >= 1 or not anomalies)

    out = console()
    for score in tail(settings, what, wanted):
        if as_json:
            sys.stdout.write(encode("Score", [score])[0].decode() + "\n")
            sys.stdout.flush()
        else:
            out.print(line(score), soft_wrap=True)


def line(score: Record) -> str:
    """One score for a person: when, who, how bad, how sure, by which model, because of what."""
    model = cast(Mapping[str, object], score["model"])
    who = escape(f"{score['entity']} ({score['profile']})")
    return (
        f"{shown_time(score['window_end'])}  {cast(float, score['anomaly_score']):5.2f}  {styled(score['severity'])}  "
        f"sure {cast(float, score['confidence']):4.0%}  {who}  "
        f"[dim]{escape(str(model['role']))}[/]  {escape(because(score))}"
    )


def because(score: Record) -> str:
    """The contributions, largest first, with what was expected where that is known; or the note."""
    expected = {str(one["metric"]): one for one in _list(score["expected"])}
    parts = []
    for one in _list(score["contributions"]):
        text = f"{one['metric']} {one['direction']} {cast(float, one['share']):.0%}"
        band = expected.get(str(one["metric"]))
        if band is not None and not math.isnan(cast(float, band["actual"])):
            text += f" ({_number(band['actual'])}, expected {_number(band['low'])}–{_number(band['high'])})"
        parts.append(text)
    return ", ".join(parts) or str(score["note"] or "")


def _list(value: object) -> Sequence[Mapping[str, object]]:
    return cast(Sequence[Mapping[str, object]], value or [])


def _number(value: object) -> str:
    number = cast(float, value)
    return "?" if math.isnan(number) else f"{number:.4g}"
