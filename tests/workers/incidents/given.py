"""Scores made up for tests: windows of ten seconds, counted from noon of a Sunday."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from schemas.ids import stable_id
from schemas.records import decode, encode
from schemas.times import format_time
from tests.contract.stage_contract import run
from workers.incidents.controls import control_key, control_record
from workers.incidents.events import Topics
from workers.incidents.identity import fingerprint_id
from workers.incidents.incident import Track
from workers.incidents.occurrences import Occurrences
from workers.incidents.policy import Policy
from workers.incidents.scores import Contribution, Window
from workers.incidents.stage import IncidentsStage
from workers.runtime.records import Output, Records
from workers.runtime.stage import Control

NOON = 1_772_366_400_000_000
"""2026-03-01T12:00:00Z in epoch microseconds."""
SECOND = 1_000_000
PANE = 10 * SECOND
TOPICS = Topics("incidents", "states", "log")
SCORES = {None: 0.3, "low": 1.2, "medium": 1.7, "high": 2.5, "critical": 3.5}

LATENCY = {"metric": "latency_p99_ms", "actual": 2300.0, "low": 180.0, "high": 420.0}
ERRORS = {"metric": "error_rate", "actual": 0.12, "low": 0.0, "high": 0.02}


def score(
    window: int,
    severity: str | None = None,
    *,
    entity: str = "checkout",
    profile: str = "service",
    role: str = "champion",
    **fields: Any,
) -> dict[str, Any]:
    """The score of the window that ends `window` panes after noon, anomalous if it has a severity."""
    end = NOON + window * PANE
    known: dict[str, Any] = {
        "id": stable_id(entity, profile, end, role),
        "entity": entity,
        "profile": profile,
        "window_start": end - PANE,
        "window_end": end,
        "event_count": 120,
        "silent": False,
        "retired": False,
        "regular": True,
        "anomaly_score": SCORES[severity],
        "is_anomaly": severity is not None,
        "severity": severity,
        "confidence": 0.99,
        "model": {"id": "forest", "version": "7", "role": role, "scope": "global", "period": "business_hours"},
        "expected": [LATENCY, ERRORS],
        "contributions": [
            {"metric": "latency_p99_ms", "feature": "latency_p99_ms", "share": 0.7, "direction": "up"},
            {"metric": "error_rate", "feature": "error_rate", "share": 0.2, "direction": "up"},
        ],
        "note": "",
    }
    return known | fields


def silent(window: int, **fields: Any) -> dict[str, Any]:
    """The score of a window in which nothing has come, for the third time or more."""
    known: dict[str, Any] = {"silent": True, "event_count": 0, "expected": [], "contributions": []}
    return score(window, **{"severity": "high", **known, **fields})


def run_of(marks: str, first: int = 1, **fields: Any) -> list[dict[str, Any]]:
    """Scores of windows in a row: `.` clean, `b` between, `l` `m` `h` `c` by severity, `s` silent, `R` retired."""
    named = {".": None, "l": "low", "m": "medium", "h": "high", "c": "critical"}
    scores = []
    for window, mark in enumerate(marks, first):
        if mark == "b":
            scores.append(score(window, anomaly_score=0.9, **fields))
        elif mark == "s":
            scores.append(silent(window, **fields))
        elif mark == "R":
            scores.append(silent(window, retired=True, **fields))
        else:
            scores.append(score(window, named[mark], **fields))
    return scores


def records(scores: Sequence[dict[str, Any] | bytes | None], form: Any = "json", first_offset: int = 100) -> Records:
    """Scores as the records of a partition; offsets leave gaps, as transactions do."""
    values = [one if one is None or isinstance(one, bytes) else encode("Score", [one], form)[0] for one in scores]
    keys = [str(one["entity"]).encode() if isinstance(one, dict) else None for one in scores]
    n = len(scores)
    offsets = first_offset + np.arange(n, dtype=np.int64) + np.arange(n, dtype=np.int64) // 5
    return Records("scores", 3, offsets, np.full(n, NOON, np.int64), list(keys), list(values), [None] * n)


def offset_of(place: int, first_offset: int = 100) -> int:
    """The offset of the record at a place among `records`."""
    return first_offset + place + place // 5


def fingerprint(
    entity: str = "checkout", profile: str = "service", pattern: Sequence[tuple[str, str]] = (("latency", "up"),)
) -> str:
    """Of what `score` shows when it is anomalous."""
    return fingerprint_id(entity, profile, pattern)


def said(
    verdict: str,
    *,
    at: int = 1,
    id: str = "rule",
    since: int = 0,
    until: int = 10_000,
    author: str = "ann",
    **body: object,
) -> Control:
    """Feedback at an offset of the control topic, in force for windows that end after `since` and up to `until`."""
    body = {"verdict": verdict, "starts_at": format_time(NOON + since * PANE), **body}
    record = control_record(id, body, NOON, author, NOON + until * PANE)
    return Control(at, control_key(id), encode("Control", [record])[0])


def taken_back(at: int = 2, id: str = "rule") -> Control:
    return Control(at, control_key(id), None)


def stage(policy: Policy | None = None, form: Any = "json") -> IncidentsStage:
    return IncidentsStage(policy or Policy(), TOPICS, form)


def events(outputs: Sequence[Output]) -> list[dict[str, Any]]:
    """The incident events among outputs, decoded."""
    values = [o.value for o in outputs if o.topic == TOPICS.incidents and o.key is not None]
    decoded, faults = decode("IncidentEvent", values)
    assert not faults
    return [one for one in decoded if one is not None]


def outputs_of(scores: Sequence[dict[str, Any] | bytes | None], policy: Policy | None = None) -> list[Output]:
    one = stage(policy)
    return [output for chunk in one.step(one.start(3, -(1 << 62), []), records(scores)) for output in chunk.outputs]


def told(
    scores: Sequence[dict[str, Any] | bytes | None],
    takings: Mapping[int, Sequence[Control]],
    policy: Policy | None = None,
) -> list[Output]:
    """The outputs of scores, with feedback taken up before the records at some places."""
    by_offset = {offset_of(place): controls for place, controls in takings.items()}
    one = stage(policy)
    result = run(one, one.start(3, -(1 << 62), []), records(scores), None, by_offset)
    return [Output(topic, key, value, headers) for _, topic, key, value, headers, _ in result.outputs]


def story(scores: Sequence[dict[str, Any] | bytes | None], policy: Policy | None = None) -> list[str]:
    """The types of the incident events in order."""
    return [event["type"] for event in events(outputs_of(scores, policy))]


def contribution(
    metric: str,
    share: float = 0.8,
    direction: str = "up",
    actual: float | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Contribution:
    return Contribution(metric, metric, share, direction, actual, low, high)


def window(*contributions: Contribution, severity: int = 3, silent: bool = False, at: int = 1, **fields: Any) -> Window:
    end = NOON + at * PANE
    known: dict[str, Any] = {
        "score_id": f"score-{at}",
        "start": end - PANE,
        "end": end,
        "score": 2.4,
        "severity": severity,
        "silent": silent,
        "retired": False,
        "regular": True,
        "events": 0 if silent else 120,
        "contributions": contributions,
        "note": "",
    }
    return Window(**known | fields)


def empty_track() -> tuple[Track, Occurrences]:
    return Track(last_end=0), Occurrences(90)


def json_of(output: Output) -> dict[str, Any]:
    assert output.value is not None
    value = orjson.loads(output.value)
    assert isinstance(value, dict)
    return value
