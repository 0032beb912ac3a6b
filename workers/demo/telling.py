"""How the demo speaks: lines as incidents open and resolve, the table of truth against found, the last line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from workers.demo.judging import Incident, Verdict
from workers.demo.watching import Change

_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
_WORDS = {"CREATE": "OPEN", "REOPEN": "REOPEN", "ESCALATE": "WORSE", "RESOLVE": "OVER"}


def clock_time(time: int) -> str:
    return datetime.fromtimestamp(time / 1e6, UTC).strftime("%a %H:%M")


def tell_change(console: Console, change: Change) -> None:
    """One line for what somebody on call would want to hear; nothing for the rest."""
    word = _WORDS.get(change.type)
    if word is None:
        return
    incident = change.incident
    line = Text(f"{clock_time(change.time)}  ")
    line.append(f"{word:<7}", "bold green" if word == "OVER" else "bold")
    line.append(f"{incident.severity:<9}", _STYLES.get(incident.severity, ""))
    line.append(f"{incident.entity}: ", "bold")
    line.append(_lasted(incident) if change.type == "RESOLVE" else incident.reason)
    console.print(line, soft_wrap=True, highlight=False)


def _lasted(incident: Incident) -> str:
    lasted = timedelta(microseconds=incident.last_anomalous_at - incident.first_anomalous_at)
    return f"after {round(lasted.total_seconds() / 60)} minutes"


def verdict_table(verdict: Verdict) -> Table:
    """Truth against found, a row for each kind of anomaly."""
    table = Table(title="Truth against found", title_justify="left", box=None, header_style="bold", pad_edge=False)
    table.add_column("kind")
    for name in ("episodes", "found", "missed", "delay (median)"):
        table.add_column(name, justify="right")
    for kind in verdict.kinds:
        delay = "–" if kind.delay_seconds is None else f"{kind.delay_seconds / 60:.0f} min"
        row = (kind.kind.replace("_", " "), str(kind.episodes), str(kind.found), str(kind.missed), delay)
        table.add_row(*row)
    return table


def tell_verdict(console: Console, verdict: Verdict) -> None:
    console.print()
    console.print(verdict_table(verdict))
    console.print(f"false alarms: {len(verdict.false_alarms)}", highlight=False)
    for incident in verdict.false_alarms:
        said = f"  {clock_time(incident.opened_at)} {incident.entity}: {incident.reason}"
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    for episode in verdict.missed:
        said = f"  missed: {clock_time(episode.start)} {episode.entity}, {episode.kind.replace('_', ' ')}"
        console.print(said, highlight=False, markup=False)


def tell_life(console: Console, lives: Iterable[Sequence[Change]]) -> None:
    """The whole life of one incident, of the one with the most kinds of events in it; nothing where there is none."""
    life = max(lives, key=lambda one: (len({change.type for change in one}), one[-1].time), default=None)
    if life is None:
        return
    incident = life[-1].incident
    console.print(f"\nThe life of one incident, {incident.incident_id}", style="bold", highlight=False)
    for change in life:
        line = Text(f"{clock_time(change.time)}  ")
        line.append(f"{change.type:<9}", "bold")
        line.append(f"{change.incident.severity:<9}", _STYLES.get(change.incident.severity, ""))
        line.append(f"{change.incident.reason} ")
        line.append(f"({change.rule})", "dim")
        console.print(line, soft_wrap=True, highlight=False)
        if change.type == "CREATE":
            console.print(
                f"{'':<20}{change.impact} {change.recommendation}", soft_wrap=True, highlight=False, markup=False
            )


def last_line(events: int, vectors: int, scores: int, incidents: Sequence[Incident], verdict: Verdict) -> str:
    resolved = sum(incident.resolved_at is not None for incident in incidents)
    return (
        f"demo: {events} events, {vectors} vectors, {scores} scores, {len(incidents)} opened, {resolved} resolved, "
        f"precision {verdict.precision:.3f}, recall {verdict.recall:.3f}"
    )
