"""Incident and group events made up for tests: minutes from noon, in the order of their lives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.ids import stable_id
from schemas.records import encode
from workers.notify.kinds.kind import Target
from workers.notify.notice import Notice, of_incident
from workers.notify.page import Page
from workers.notify.policy import Policy
from workers.notify.silences import Rule, Rules
from workers.notify.stage import NotifyStage
from workers.progress import PROGRESS_HEADER
from workers.runtime.records import Output, Records
from workers.settings_notify import ServiceSettings, TargetSettings

NOON = 1_772_366_400_000_000
"""2026-03-01T12:00:00Z in epoch microseconds."""
MINUTE = 60_000_000


PROGRESS = b'{"time":"2026-03-01T12:00:00Z"}'


class Incident:
    """One incident whose events are made one after the other, `minute` minutes after noon each."""

    def __init__(self, entity: str = "checkout", number: int = 0, **fields: Any) -> None:
        self.id = stable_id("incident", entity, number)
        self._fields: dict[str, Any] = {
            "entity": entity,
            "profile": "service",
            "cause": "deviation",
            "regular": True,
            "fingerprint_id": stable_id("fingerprint", entity),
            "occurrence_count": 1,
            **fields,
        }
        self._sequence = 0
        self._opened = 0

    def event(self, kind: str, minute: float, severity: str = "high", **fields: Any) -> dict[str, Any]:
        time = NOON + int(minute * MINUTE)
        self._opened = self._opened or time
        event = {
            "type": kind,
            "id": stable_id(self.id, self._sequence),
            "time": time,
            "score_id": stable_id("score", time),
            "incident_id": self.id,
            "sequence": self._sequence,
            "severity": severity,
            "first_anomalous_at": self._opened - MINUTE,
            "opened_at": self._opened,
            "last_anomalous_at": time,
            "resolved_at": time if kind in ("RESOLVE", "CLOSED") else None,
            "closed_at": time if kind == "CLOSED" else None,
            "window_count": 3 + self._sequence,
            "anomaly_score": 2.5,
            "confidence": 0.98,
            "event_count": 100,
            "rule": {"name": "anomalous windows", "have": 3, "need": 3},
            "reason": f"p99 latency of {self._fields['entity']} is 2.3 s, expected 180–420 ms.",
            "impact": "Requests take longer than they should.",
            "recommendation": "Look at the slowest dependencies.",
            "contributions": [
                {"metric": "latency_p99_ms", "feature": "latency_p99_ms", "share": 1.0, "direction": "up"}
            ],
            **self._fields,
            **fields,
        }
        self._sequence += 1
        return event


def notice(kind: str = "CREATE", minute: float = 1, severity: str = "high", **fields: Any) -> Notice:
    return of_incident(Incident(**fields).event(kind, minute, severity))


def group(kind: str, minute: float, sequence: int, severity: str = "high", **fields: Any) -> dict[str, Any]:
    return {
        "group_id": stable_id("group"),
        "type": kind,
        "sequence": sequence,
        "time": NOON + int(minute * MINUTE),
        "incident_ids": [stable_id("a"), stable_id("b")],
        "entities": ["checkout", "cart"],
        "root_causes": [{"entity": "cart", "share": 0.8, "reason": "cart was first"}],
        "severity": severity,
        **fields,
    }


def records(
    events: Sequence[dict[str, Any] | bytes], delays: Sequence[float] = (), name: str = "IncidentEvent"
) -> Records:
    """Events as the topic holds them, each `delays` minutes behind its time; bytes as they are, between the others."""
    values = [event if isinstance(event, bytes) else encode(name, [event])[0] for event in events]
    times = [event["time"] if isinstance(event, dict) else NOON for event in events]
    waits = list(delays) + [0.0] * (len(events) - len(delays))
    return Records(
        topic="incidents",
        partition=3,
        offsets=np.arange(100, 100 + len(events), dtype=np.int64),
        timestamps=np.array([t + int(w * MINUTE) for t, w in zip(times, waits, strict=True)], dtype=np.int64),
        keys=[b"k" if isinstance(event, dict) else None for event in events],
        values=list(values),
        headers=[[(PROGRESS_HEADER, b"0")] if event == PROGRESS else None for event in events],
    )


def stage(*rules: Rule, **policy: Any) -> NotifyStage:
    return NotifyStage(Policy("oncall", **policy), Rules(rules))


def silence(start: float, end: float | None, **matchers: str) -> Rule:
    """A rule from one minute after noon to another."""
    ends = None if end is None else NOON + int(end * MINUTE)
    starts = NOON + int(start * MINUTE)
    return Rule("r", starts, "somebody", starts, ends, **matchers)


def pages(outputs: Sequence[Output]) -> list[Page]:
    return [Page.decode(output.value or b"") for output in outputs]


def target(kind: str, url: str = "", secret: str = "", services: Sequence[ServiceSettings] = (), **more: Any) -> Target:
    return Target("oncall", TargetSettings(kind=kind, url=url, **more), secret, services)
