"""Incident events for tests of groups: as the incidents worker writes them, of made-up scores or one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.ids import stable_id
from tests.workers.incidents.given import NOON, TOPICS, records, score, stage
from workers.groups.core import Core
from workers.groups.events import EventWriter
from workers.groups.links import Links
from workers.groups.policy import Policy
from workers.incidents.policy import Policy as IncidentPolicy
from workers.runtime.records import Output, Records
from workers.runtime.stage import NO_WATERMARK

MINUTE = 60_000_000
QUICK = IncidentPolicy(open_windows=1, open_of=1, resolve_windows=2, close_after=60_000_000)
NOTHING = {"metric": "m", "feature": "m", "share": 1.0, "direction": "up", "actual": None, "low": None, "high": None}


def incident(entity: str, kind: str, minute: float, *, severity: str = "high", **fields: Any) -> dict[str, Any]:
    """An event of the one incident that this entity has, `minute` minutes after noon."""
    time = NOON + round(minute * MINUTE)
    over = kind in ("RESOLVE", "CLOSED")
    known: dict[str, Any] = {
        "type": kind,
        "time": time,
        "incident_id": stable_id(entity),
        "entity": entity,
        "cause": "deviation",
        "regular": True,
        "severity": severity,
        "first_anomalous_at": time,
        "opened_at": time,
        "resolved_at": time if over else None,
        "anomaly_score": 2.0,
        "confidence": 0.98,
        "event_count": 100,
        "contributions": [NOTHING],
        "reason": f"{entity} is in trouble.",
    }
    return known | fields


def topic(partition: int, scores: Sequence[dict[str, Any]], policy: IncidentPolicy = QUICK) -> Records:
    """What the incidents worker makes of these scores of one partition."""
    one = stage(policy)
    state = one.start(partition, NO_WATERMARK, [])
    outputs = [o for chunk in one.step(state, records(scores)) for o in chunk.outputs if o.topic == TOPICS.incidents]
    return as_records(partition, outputs)


def as_records(partition: int, outputs: Sequence[Output]) -> Records:
    count = len(outputs)
    return Records(
        "incidents",
        partition,
        np.arange(count, dtype=np.int64) * 2,  # every second offset, as behind commit markers
        np.zeros(count, np.int64),
        [o.key for o in outputs],
        [o.value for o in outputs],
        [o.headers for o in outputs],
    )


def core(policy: Policy, links: Links, **known: Any) -> Core:
    return Core(policy, links, EventWriter(policy, links, "groups"), "log", 3, **known)


__all__ = ["MINUTE", "QUICK", "as_records", "core", "incident", "score", "topic"]
