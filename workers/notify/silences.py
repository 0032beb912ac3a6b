"""Silence rules: what an operator keeps from paging, and from when to when. They act on pages alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from schemas.records import decode
from schemas.times import format_time, parse_time
from workers.notify.notice import RANKS, Notice, rank
from workers.runtime.stage import Control

KIND = "silence"
_FOR_EVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Rule:
    """Holds back pages of events whose own time lies in [starts_at, expires_at), epoch microseconds.

    A matcher left empty fits everything; all that are given must fit. `entity` is a pattern; `severity` is the highest
    that is held back. Of a group all entities must fit.
    """

    id: str
    time: int
    author: str
    starts_at: int
    expires_at: int | None
    entity: str = ""
    profile: str = ""
    severity: str = ""
    fingerprint: str = ""
    comment: str = ""

    def holds(self, notice: Notice) -> bool:
        if not self.starts_at <= notice.time < (_FOR_EVER if self.expires_at is None else self.expires_at):
            return False
        if self.severity and rank(notice.severity) > rank(self.severity):
            return False
        if self.profile and notice.profile != self.profile:
            return False
        if self.fingerprint and notice.fingerprint != self.fingerprint:
            return False
        return not self.entity or all(fnmatchcase(entity, self.entity) for entity in notice.entities)


class Rules:
    """All rules that there are, those that have ended too: a replay then says the same."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = {rule.id: rule for rule in rules}

    def hold(self, notice: Notice) -> bool:
        return any(rule.holds(notice) for rule in self._rules.values())

    def take(self, rule_id: str, rule: Rule | None) -> None:
        """Put a rule into force, or (None) forget it."""
        if rule is None:
            self._rules.pop(rule_id, None)
        else:
            self._rules[rule_id] = rule


def control_key(rule_id: str) -> bytes:
    """The key of a rule's record on the control topic: kind and id."""
    return f"{KIND}/{rule_id}".encode()


def control_record(rule: Rule) -> dict[str, Any]:
    """The rule as `schemas.records.encode("Control", …)` takes it."""
    matchers = {
        name: value
        for name, value in (
            ("entity", rule.entity),
            ("profile", rule.profile),
            ("severity", rule.severity),
            ("fingerprint", rule.fingerprint),
        )
        if value
    }
    return {
        "kind": KIND,
        "id": rule.id,
        "time": rule.time,
        "author": rule.author,
        "expires_at": rule.expires_at,
        "body": {"matchers": matchers, "starts_at": format_time(rule.starts_at), "comment": rule.comment},
    }


def rule_id(key: bytes) -> str | None:
    """The rule that a control record's key is about; None where it is about something else."""
    kind, _, name = key.decode(errors="replace").partition("/")
    return name if kind == KIND else None


def read_rule(control: Control) -> tuple[str, Rule | None] | None:
    """What a control record says of a silence rule; None where it is about something else.

    Raises ValueError where one about silence cannot be understood.
    """
    name = rule_id(control.key)
    if name is None:
        return None
    if control.value is None:
        return name, None
    records, faults = decode("Control", [control.value])
    if records[0] is None:
        raise ValueError(faults[0].message)
    return name, rule_of(records[0])


def rule_of(record: Mapping[str, Any]) -> Rule:
    """A decoded `Control` record of this kind as a rule. Raises ValueError."""
    body = record["body"]
    matchers = body.get("matchers") if isinstance(body, Mapping) else None
    if not isinstance(matchers, Mapping) or not all(isinstance(value, str) for value in matchers.values()):
        raise ValueError("body.matchers must be an object of texts")
    unknown = sorted(set(matchers) - {"entity", "profile", "severity", "fingerprint"})
    if unknown:
        raise ValueError(f"no such matcher: {', '.join(unknown)}")
    if matchers.get("severity", "low") not in RANKS:
        raise ValueError(f"{matchers['severity']!r} is no severity")
    starts = body.get("starts_at")
    if starts is not None and not isinstance(starts, str):
        raise ValueError("body.starts_at must be a time as text")
    return Rule(
        id=record["id"],
        time=record["time"],
        author=record["author"],
        starts_at=record["time"] if starts is None else parse_time(starts),
        expires_at=record["expires_at"],
        comment=str(body.get("comment", "")),
        **matchers,
    )
