"""`faultline incidents`: follow incidents as they open, go on and close; the rest of its commands is put beside it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.markup import escape

from schemas.records import encode
from workers.cli.incident_diff import diff_incidents
from workers.cli.incident_history import export_incidents, list_incidents, show_incident
from workers.cli.output import console
from workers.cli.tailing import Record, Tail, shown_time, styled, tail
from workers.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Follow incidents, and look into their history.")

RANK = {"low": 1, "medium": 2, "high": 3, "critical": 4}


@app.callback()
def incidents() -> None:
    """Follow incidents as they are committed; list, show and export those that the worker `history` has kept."""


@app.command("tail")
def tail_incidents(
    entity: Annotated[str, typer.Option(help="Only entities with this text in their name.")] = "",
    severity: Annotated[str, typer.Option(help="Only this severity and above: low, medium, high, critical.")] = "low",
    since: Annotated[str, typer.Option(help="From now on; or all, 10m, 2h, or a time.")] = "",
    stop: Annotated[bool, typer.Option("--stop", help="End at the end as it is now; with --since.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="End after this many.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON record a line, as on the topic.")] = False,
) -> None:
    """Incident events as a downstream reader sees them: committed ones only, each with its sentence saying why.

    Example: faultline incidents tail --since 1d --stop --severity high
    """
    if severity not in RANK:
        raise typer.BadParameter("choose low, medium, high or critical", param_hint="--severity")
    settings = load_settings()
    what = Tail(settings.topics.incidents, "IncidentEvent", since, stop, limit)

    def wanted(event: Record) -> bool:
        return entity in str(event["entity"]) and RANK.get(str(event["severity"]), 0) >= RANK[severity]

    out = console()
    for event in tail(settings, what, wanted):
        if as_json:
            sys.stdout.write(encode("IncidentEvent", [event])[0].decode() + "\n")
            sys.stdout.flush()
        else:
            out.print(line(event), soft_wrap=True)


app.command("list")(list_incidents)
app.command("show")(show_incident)
app.command("export")(export_incidents)
app.command("diff")(diff_incidents)


def line(event: Record) -> str:
    """One event for a person: when, what happened, how bad, who, why, and which incident."""
    return (
        f"{shown_time(event['time'])}  [bold]{escape(str(event['type'])):<8}[/]  {styled(event['severity'])}  "
        f"{escape(str(event['entity']))} ({escape(str(event['profile']))})  {escape(str(event['reason']))}  "
        f"[dim]{escape(str(event['incident_id']))[:8]}[/]"
    )
