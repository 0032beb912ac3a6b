"""Control records of feedback: how they are written and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.records import decode
from schemas.times import parse_time
from workers.incidents.feedback import Feedback, Verdict
from workers.incidents.scores import SEVERITIES
from workers.runtime.stage import Control

KIND = "feedback"
LONGEST_PATTERN = 512
_LONGEST_NAME = 120


def control_key(id_: str) -> bytes:
    """The key of a record of feedback: kind and id."""
    return f"{KIND}/{id_}".encode()


def control_record(id_: str, body: Mapping[str, object], time: int, author: str, expires_at: int) -> dict[str, Any]:
    """The record, as `schemas.records.encode("Control", …)` takes it. Times in epoch microseconds.

    `body` has `verdict`, `starts_at` (RFC 3339), `severity` (the highest that is held back) and, as known, `entity` (a
    pattern), `profile`, `fingerprint_id`, `incident_id`, `comment`; and `ended` where it holds nothing back any more:
    `undone`, as if never said, or `contradicted`.
    """
    return {
        "kind": KIND,
        "id": id_,
        "time": time,
        "author": author,
        "expires_at": expires_at,
        "body": {name: value for name, value in body.items() if value not in (None, "")},
    }


def read_control(control: Control) -> tuple[str, Feedback | None] | None:
    """The id and the rule; None for what is no feedback. There is no rule in a record taken back or ended, nor in one
    that calls an incident real: that is said for training.

    Raises ValueError where feedback cannot be understood.
    """
    prefix = f"{KIND}/".encode()
    if not control.key.startswith(prefix):
        return None
    id_ = control.key.removeprefix(prefix).decode()
    if control.value is None:
        return id_, None
    records, faults = decode("Control", [control.value])
    if records[0] is None:
        raise ValueError(faults[0].message)
    if records[0]["kind"] != KIND or records[0]["id"] != id_:
        raise ValueError("key and record differ")
    said = read_feedback(records[0])
    return id_, None if said.verdict is Verdict.REAL or "ended" in records[0]["body"] else said


def read_feedback(record: Mapping[str, Any]) -> Feedback:
    """What a decoded record says, ended or not. Raises ValueError."""
    body = record["body"]
    if not isinstance(body, Mapping):
        raise ValueError("the body is no object")
    if record["expires_at"] is None:
        raise ValueError("it says no time at which it expires")
    try:
        verdict = Verdict(_text(body, "verdict"))
    except ValueError:
        raise ValueError(f"the verdict is one of {', '.join(Verdict)}, not {body.get('verdict')!r}") from None
    severity = _text(body, "severity") or "critical"
    if severity not in SEVERITIES:
        raise ValueError(f"{severity!r} is no severity")
    found = Feedback(
        id=str(record["id"])[:_LONGEST_NAME],
        verdict=verdict,
        entity=_text(body, "entity"),
        profile=_text(body, "profile"),
        fingerprint=_text(body, "fingerprint_id"),
        severity=SEVERITIES.index(severity),
        starts_at=parse_time(_text(body, "starts_at")) if "starts_at" in body else record["time"],
        expires_at=record["expires_at"],
        author=str(record["author"])[:_LONGEST_NAME],
    )
    if verdict is Verdict.FALSE_ALARM and not found.fingerprint:
        raise ValueError("a false alarm needs a fingerprint_id")
    if verdict is Verdict.EXPECTED and not 0 < len(found.entity) <= LONGEST_PATTERN:
        raise ValueError(f"what is expected needs a pattern of entities, of at most {LONGEST_PATTERN} characters")
    return found


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value
