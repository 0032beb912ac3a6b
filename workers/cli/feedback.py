"""`faultline feedback`: say what incidents were, and what is expected; see it, take it back, export it as labels."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from workers.cli.controlling import author
from workers.cli.failures import Failure, WrongUse
from workers.cli.judging import Desk, Said, document
from workers.cli.output import print_json, print_table
from workers.cli.tailing import shown_time
from workers.incidents.feedback import Verdict
from workers.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Say false alarm, real or expected; list it, take it back, export it.")
add = typer.Typer(no_args_is_help=True, help="Say what an incident was, or what trouble is expected.")
app.add_typer(add, name="add")

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of words.")]
Incident = Annotated[str, typer.Argument(help="The incident's id, or its first six characters or more.")]
For = Annotated[str, typer.Option("--for", help="How long it holds, of event time: 12h, 7d. Default: 7d.")]
Until = Annotated[str, typer.Option("--until", help="Until when it holds: a time. Instead of --for.")]
Severity = Annotated[str, typer.Option(help="The highest severity that is held back.")]
Comment = Annotated[str, typer.Option(help="Kept with it.")]

_LEAST_TOKEN = 16

_COLUMNS = (
    "id",
    "verdict",
    "state",
    "entity",
    "profile",
    "severity",
    "starts_at",
    "expires_at",
    "author",
    "comment",
)
_UNITS = {"m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


@add.command("false-alarm")
def false_alarm(
    incident: Incident,
    span: For = "",
    until: Until = "",
    severity: Severity = "",
    comment: Comment = "",
    as_json: AsJson = False,
) -> None:
    """The same pattern of the same entity opens nothing for a while, up to the severity that this one had.

    Each time that it is held back a SUPPRESS says so, and cites this. What is worse opens an incident at once.

    Example: faultline feedback add false-alarm 3f0c9a --for 7d --comment 'nightly backup'
    """
    desk = Desk(load_settings(), author())
    said, _ = desk.judge(Verdict.FALSE_ALARM, incident, _until(desk, span, until), severity, comment)
    _tell(said, as_json)


@add.command("real")
def real(incident: Incident, comment: Comment = "", as_json: AsJson = False) -> None:
    """A label for training; and false alarms that were said of the same pattern end.

    Example: faultline feedback add real 3f0c9a
    """
    said, contradicted = Desk(load_settings(), author()).judge(Verdict.REAL, incident, comment=comment)
    _tell(said, as_json, contradicted)


@add.command("expected")
def expected(
    entity: Annotated[str, typer.Option(help="Pattern of entities: 'pay-*'.")],
    span: For = "",
    until: Until = "",
    start: Annotated[str, typer.Option("--from", help="When it begins: a time. Default: now, by event time.")] = "",
    profile: Annotated[str, typer.Option(help="Only in this profile.")] = "",
    severity: Severity = "critical",
    comment: Comment = "",
    as_json: AsJson = False,
) -> None:
    """Trouble of these entities opens no incident for a while: maintenance, a load test, a migration.

    Example: faultline feedback add expected --entity 'pay-*' --until 2026-03-01T06:00Z --comment 'database upgrade'
    """
    desk = Desk(load_settings(), author())
    ends = _until(desk, span, until)
    if ends is None:
        raise WrongUse("say how long: --until 2026-03-01T06:00Z, or --for 2h")
    _tell(desk.expect(entity, ends, parse_moment(start) if start else None, profile, severity, comment), as_json)


@app.command("list")
def list_feedback(
    in_force: Annotated[bool, typer.Option("--in-force", help="Only rules that hold now.")] = False,
    as_json: AsJson = False,
) -> None:
    """All that was said: in force, expired, contradicted, undone; and verdicts that are labels only.

    Example: faultline feedback list --in-force
    """
    desk = Desk(load_settings(), author())
    now = desk.now
    lines = [document(one, now) for one in desk.said()]
    lines = [line for line in lines if line["state"] == "in force" or not in_force]
    if as_json:
        print_json(lines)
        return
    columns = (
        "id",
        "verdict",
        "state",
        "entity",
        "profile",
        "severity",
        "starts_at",
        "expires_at",
        "author",
        "comment",
    )
    print_table(columns, [tuple(line[column] for column in columns) for line in lines])


@app.command()
def undo(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The feedback's id, or as much of it as names one.")],
    as_json: AsJson = False,
) -> None:
    """Take it back: what it held back may open with the next windows, and it is no label any more.

    The record stays, marked as undone, so that events which cite it cite something.

    Example: faultline feedback undo 3f0c9a
    """
    desk = Desk(load_settings(), author())
    said = desk.undo(id_)
    if as_json:
        print_json(document(said, desk.now))
    else:
        print(f"{said.id} is undone: {said.feedback.verdict.words}, {said.feedback.entity}")


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="A .csv or .parquet file.")],
    as_json: AsJson = False,
) -> None:
    """What was said as periods for `faultline train --periods`: real is 1, false alarm 0, the rest is masked.

    Expected trouble and silence rules are masked: nobody knows what was normal then.

    Example: faultline feedback export --out periods.csv && faultline train week.parquet --periods periods.csv
    """
    from workers.cli.period_export import export_periods

    counts = export_periods(load_settings(), author(), out)
    if as_json:
        print_json({"out": str(out), **counts})
    else:
        print(f"{out}: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items()))


@app.command()
def listen(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one, and says which.")] = 8099,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
) -> None:
    """Take feedback over HTTP: a JSON form for buttons and curl, and webhooks of PagerDuty (docs/incidents.md).

    FAULTLINE_FEEDBACK__TOKEN must be set; FAULTLINE_FEEDBACK__PAGERDUTY_SECRET for webhooks of PagerDuty.

    Example: FAULTLINE_FEEDBACK__TOKEN_FILE=token.txt faultline feedback listen --port 8099
    """
    from workers.cli.feedback_server import FeedbackServer
    from workers.cli.listening import Listener

    settings = load_settings()
    if len(settings.feedback.token) < _LEAST_TOKEN:
        raise WrongUse(
            f"set FAULTLINE_FEEDBACK__TOKEN (or …_FILE) to a secret of at least {_LEAST_TOKEN} characters: whoever has "
            "it may give feedback"
        )
    Desk(settings, author())  # reaches the broker now, or says why not

    def judge(verdict: Verdict, incident: str, until: int | None, comment: str, who: str) -> Said:
        return Desk(settings, who).judge(verdict, incident, until, comment=comment)[0]

    try:
        server = FeedbackServer(
            host, port, Listener(settings.feedback.token, settings.feedback.pagerduty_secret, judge)
        )
    except OSError as error:
        raise Failure(f"cannot listen at {host}:{port}: {error.strerror}") from error
    print(f"listening at http://{host}:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def parse_moment(text: str) -> int:
    """Epoch microseconds of a time; UTC where it names no zone. Raises `WrongUse`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUse(f"{text!r} is no time: write it such as 2026-03-01T06:00Z") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def _until(desk: Desk, span: str, until: str) -> int | None:
    if span and until:
        raise WrongUse("--for and --until both say when it ends: give one of them")
    if until:
        return parse_moment(until)
    if not span:
        return None
    found = re.fullmatch(r"(\d{1,4})([mhd])", span)
    if not found:
        raise WrongUse(f"--for {span}: give a span such as 30m, 12h or 7d")
    return desk.now + int(found[1]) * _UNITS[found[2]]


def _tell(said: Said, as_json: bool, contradicted: list[str] | None = None) -> None:
    feedback = said.feedback
    if as_json:
        print_json({**document(said, said.record["time"]), "contradicts": contradicted or []})
        return
    if feedback.verdict is Verdict.REAL:
        print(f"{said.id}: {feedback.entity} was real" + "".join(f"; {one} has ended" for one in contradicted or ()))
        return
    until = shown_time(feedback.expires_at)
    print(f"{said.id}: {feedback.verdict.words}, {feedback.entity}, until {until} of event time")
