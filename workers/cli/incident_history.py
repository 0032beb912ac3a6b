"""`faultline incidents list`, `show` and `export`: questions to the history that the worker `history` keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from schemas.times import format_time, parse_time
from workers.cli.failures import Failure, WrongUse
from workers.cli.history_reading import needs_history, open_history
from workers.cli.out_files import check_ending
from workers.cli.output import console, print_json, print_table
from workers.cli.reading import parse_since
from workers.settings import load_settings

if TYPE_CHECKING:
    from workers.history.queries import Place, Wanted

_AT_ONCE = 1_000
"""Incidents in memory at once while exporting."""

Since = Annotated[str, typer.Option(help="Opened from then on: a span back from now (10m, 2h, 3d), or a time.")]
Until = Annotated[str, typer.Option(help="Opened before then: as --since.")]
Entity = Annotated[str, typer.Option(help="Only this entity; `*` stands for any text, `?` for a character.")]
Profile = Annotated[str, typer.Option(help="Only this profile: service, host, generic, event.")]
Severity = Annotated[str, typer.Option(help="At its worst this or above: low, medium, high, critical.")]
State = Annotated[str, typer.Option(help="Only this state: open, flapping, resolved, closed, suppressed.")]
Fingerprint = Annotated[str, typer.Option(help="Only this pattern; its first characters do.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


def list_incidents(
    since: Since = "",
    until: Until = "",
    entity: Entity = "",
    profile: Profile = "",
    severity: Severity = "",
    state: State = "",
    fingerprint: Fingerprint = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Incidents of one page.")] = 50,
    after: Annotated[str, typer.Option(help="The next page: what the one before said in its end.")] = "",
    as_json: AsJson = False,
) -> None:
    """Incidents that were, and are: newest opening first, page by page.

    Pages are stable: incidents that open or are forgotten meanwhile move none of the others to another page.

    Example: faultline incidents list --since 7d --severity high --entity 'shop/*'
    """
    wanted, place = _wanted(since, until, entity, profile, severity, state, fingerprint), _place(after)
    with open_history(load_settings(), "incidents list") as connection:
        from workers.cli.incident_documents import COLUMNS, document, line
        from workers.history.queries import opening_reasons, page, place_of

        rows = page(connection, wanted, limit + 1, place)
        opening = opening_reasons(connection, [row["incident_id"] for row in rows if row["resolved_at"] is not None])
    more = len(rows) > limit
    rows = rows[:limit]
    last = place_of(rows[-1]) if more else None
    behind = f"{format_time(last.opened_at)}/{last.incident_id}" if last else None
    if as_json:
        print_json({"incidents": [document(row) for row in rows], "after": behind})
        return
    if not rows:
        print("no incident is like that")
        return
    print_table(COLUMNS, [line(row, opening.get(row["incident_id"])) for row in rows])
    if behind:
        print(f"\nthere are more: --after {behind}")


def show_incident(
    incident: Annotated[str, typer.Argument(help="Its id, or as much of its beginning as no other shares.")],
    as_json: AsJson = False,
) -> None:
    """The whole life of one incident: what is known of it, and every event with its rule, sentence and contributions.

    Example: faultline incidents show 4be1c3
    """
    if not incident:
        raise WrongUse("give an id, or its first characters: `faultline incidents list` shows them")
    with open_history(load_settings(), "incidents show") as connection:
        from workers.cli.incident_documents import EVENT_COLUMNS, document, event_document, event_line, facts
        from workers.history.queries import events_of, find

        found = find(connection, incident)
        if len(found) != 1:
            raise Failure(_not_one(incident, [row["incident_id"] for row in found]))
        row = found[0]
        events = list(events_of(connection, [row["incident_id"]]))
    if as_json:
        print_json({**document(row), "events": [event_document(row, event) for event in events]})
        return
    out = console()
    for name, value in facts(row):
        out.print(f"[bold]{name:<15}[/]{escape(value)}", soft_wrap=True)
    print()
    print_table(EVENT_COLUMNS, [event_line(event) for event in events])


def export_incidents(
    out: Annotated[Path, typer.Argument(help="File to write: .csv, .parquet or .ndjson (.jsonl).")],
    events: Annotated[bool, typer.Option("--events", help="A row for every event instead of every incident.")] = False,
    since: Since = "",
    until: Until = "",
    entity: Entity = "",
    profile: Profile = "",
    severity: Severity = "",
    state: State = "",
    fingerprint: Fingerprint = "",
    as_json: Annotated[bool, typer.Option("--json", help="Say what was written as JSON.")] = False,
) -> None:
    """All incidents that `list` would show on all its pages, or every event of them, into one file.

    Example: faultline incidents export march.parquet --since 2026-03-01T00:00Z --until 2026-04-01T00:00Z
    """
    from workers.cli.incident_documents import with_shared
    from workers.cli.incident_export import writing

    check_ending(out, (".csv", ".parquet", ".pq", ".ndjson", ".jsonl"))
    wanted = _wanted(since, until, entity, profile, severity, state, fingerprint)
    with open_history(load_settings(), "incidents export") as connection, writing(out, events) as writer:
        from workers.history.queries import events_of, pages

        for rows in pages(connection, wanted, _AT_ONCE):
            if events:
                whose = {row["incident_id"]: row for row in rows}
                found = events_of(connection, list(whose))
                writer.write([with_shared(whose[event["incident_id"]], event) for event in found])
            else:
                writer.write(rows)
    if as_json:
        print_json({"out": str(out), "rows": writer.rows})
    else:
        print(f"{out}: {writer.rows:,} {'events' if events else 'incidents'}")


def _wanted(since: str, until: str, entity: str, profile: str, severity: str, state: str, fingerprint: str) -> Wanted:
    needs_history("incidents list")
    from workers.history.queries import Wanted
    from workers.history.rows import SEVERITIES, STATES

    for option, value, known in (("severity", severity, SEVERITIES[1:]), ("state", state, STATES)):
        if value and value not in known:
            raise WrongUse(f"--{option} {value}: choose {', '.join(known)}")
    start, end = (parse_since(text, option) * 1_000 if text else None for option, text in _spans(since, until))
    if start is not None and end is not None and start >= end:
        raise WrongUse("--since lies behind --until: no incident opened between them")
    return Wanted(start, end, entity, profile, severity, state, fingerprint)


def _spans(since: str, until: str) -> tuple[tuple[str, str], ...]:
    return ("--since", since), ("--until", until)


def _place(after: str) -> Place | None:
    """The place that a page told as its end."""
    if not after:
        return None
    from workers.history.queries import Place

    time, _, incident = after.partition("/")
    try:
        return Place(parse_time(time), incident)
    except ValueError as error:
        raise WrongUse(f"--after {after}: give what the page before said in its end, time/id ({error})") from None


def _not_one(incident: str, found: list[str]) -> str:
    if not found:
        return f"no incident {incident} in the history: `faultline incidents list` shows which there are"
    return f"{incident} begins several ids: {', '.join(found)}"
