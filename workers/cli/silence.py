"""`faultline silence`: keep pages back for a while, by rule; incidents themselves go on as they are."""

from __future__ import annotations

import re
import sys
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from schemas.times import format_time
from workers.cli.controlling import author, read_controls, write_control
from workers.cli.failures import Failure, WrongUse
from workers.cli.output import print_json, print_table
from workers.notify.notice import RANKS, SEVERITIES
from workers.notify.silences import Rule, control_key, control_record, read_rule
from workers.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="Silence rules and maintenance windows: what pages nobody, and when.")

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SECOND = 1_000_000


@app.command()
def add(
    entity: Annotated[str, typer.Option(help="Pattern of entities: pay-*.")] = "",
    profile: Annotated[str, typer.Option(help="Only this profile.")] = "",
    severity: Annotated[str, typer.Option(help="Up to this severity: what is worse still pages.")] = "",
    fingerprint: Annotated[str, typer.Option(help="Only this pattern of trouble.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="No matcher: all pages.")] = False,
    starts: Annotated[str, typer.Option("--from", help="When it begins: a time (now, if left out).")] = "",
    until: Annotated[str, typer.Option(help="When it ends: a time.")] = "",
    span: Annotated[str, typer.Option("--for", help="How long it lasts: 30m, 2h, 7d.")] = "",
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: AsJson = False,
) -> None:
    """Hold back the pages of events in a span of event time. Notify workers follow within a second.

    What is still in trouble when it ends pages then. A trouble that has paged is still said to be over.

    Example: faultline silence add --entity 'shop/pay-*' --for 2h --comment 'database upgrade'
    """
    if not (entity or profile or severity or fingerprint or everything):
        raise WrongUse("this would silence everything: give --entity, --profile, --severity or --fingerprint")
    if severity and severity not in RANKS:
        raise WrongUse(f"--severity {severity}: choose {', '.join(SEVERITIES)}")
    if bool(until) == bool(span):
        raise WrongUse("say when it ends: either --for 2h or --until 2026-03-01T14:00Z")
    now = _now()
    begins = _time("--from", starts) if starts else now
    ends = _time("--until", until) if until else begins + _span(span)
    if ends <= max(begins, now):
        raise WrongUse("it would be over before it begins, or already is")
    rule = Rule(uuid.uuid4().hex[:12], now, author(), begins, ends, entity, profile, severity, fingerprint, comment)
    settings = load_settings()
    _write(settings, rule)
    if as_json:
        print_json(_shown(rule, now))
    else:
        print(f"{rule.id}: silent from {format_time(begins)} to {format_time(ends)}")


@app.command("list")
def list_rules(
    past: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """The rules that act now or will.

    Example: faultline silence list --json
    """
    now = _now()
    lines = [_shown(rule, now) for rule in _rules(load_settings())]
    lines = [line for line in lines if past or line["state"] != "over"]
    if as_json:
        print_json(lines)
        return
    columns = (
        "id",
        "state",
        "entity",
        "profile",
        "severity",
        "fingerprint",
        "starts_at",
        "expires_at",
        "author",
        "comment",
    )
    print_table(columns, [tuple(line[column] for column in columns) for line in lines])


@app.command()
def remove(
    rule_id: Annotated[str, typer.Argument(help="The id, or as much of its beginning as names one alone.")],
) -> None:
    """End a rule now. It stays on the topic as one that has ended, so that a replay decides as it was decided.

    Example: faultline silence remove 3f0c
    """
    settings = load_settings()
    now = _now()
    running = [rule for rule in _rules(settings) if _state(rule, now) != "over"]
    found = [rule for rule in running if rule.id.startswith(rule_id)]
    if len(found) != 1:
        known = ", ".join(rule.id for rule in found or running) or "none"
        what = "more than one rule begins with" if found else "no rule that acts now or will begins with"
        raise Failure(f"{what} {rule_id!r}. There are: {known}")
    _write(settings, replace(found[0], time=now, author=author(), expires_at=now))
    print(f"{found[0].id} has ended")


def _rules(settings: Settings) -> list[Rule]:
    rules = []
    for control in read_controls(settings):
        try:
            found = read_rule(control)
        except ValueError as error:
            print(f"faultline: offset {control.offset} of {settings.topics.control}: {error}", file=sys.stderr)
            continue
        if found is not None and found[1] is not None:
            rules.append(found[1])
    return rules


def _write(settings: Settings, rule: Rule) -> None:
    try:
        write_control(settings, control_key(rule.id), control_record(rule))
    except Failure as error:
        raise Failure(f"not written: {error}. `faultline config check` tells more") from error


def _shown(rule: Rule, now: int) -> dict[str, Any]:
    return {
        "id": rule.id,
        "state": _state(rule, now),
        "entity": rule.entity,
        "profile": rule.profile,
        "severity": rule.severity,
        "fingerprint": rule.fingerprint,
        "starts_at": format_time(rule.starts_at),
        "expires_at": None if rule.expires_at is None else format_time(rule.expires_at),
        "author": rule.author,
        "comment": rule.comment,
    }


def _state(rule: Rule, now: int) -> str:
    if rule.expires_at is not None and rule.expires_at <= now:
        return "over"
    return "acts" if rule.starts_at <= now else "to come"


def _span(text: str) -> int:
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if not found or not int(found[1]):
        raise WrongUse(f"--for {text}: give a span such as 30m, 2h or 7d")
    return int(found[1]) * _UNITS[found[2]] * _SECOND


def _time(option: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUse(f"{option} {text}: give a time such as 2026-03-01T14:00Z") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * _SECOND)


def _now() -> int:
    return time.time_ns() // 1_000
