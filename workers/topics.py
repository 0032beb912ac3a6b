"""Which topics the workers need, and how each must be: partitions, compaction, retention, sizes. Pure; asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workers.runtime.deadletters import MARGIN
from workers.settings import Settings

MESSAGE_BYTES = 1_048_588
"""Kafka's own default for the largest record batch, said out loud so that the dead letters can exceed it."""

LOGGING_WORKERS = ("windows", "scoring", "incidents")
"""Workers that log long-lived state to a compacted topic, partition by partition; `groups` does to one partition."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it must be. `together`: has the same number of partitions as all others that are."""

    role: str
    name: str
    partitions: int
    config: Mapping[str, str]
    together: bool = False


def topic_specs(settings: Settings, message_bytes: int = MESSAGE_BYTES) -> list[TopicSpec]:
    """Every topic of an installation, in the order in which data passes them.

    `message_bytes` is the largest record that any input topic lets in; dead letters get 64 KiB on top for headers.
    """
    t = settings.topics
    work = _kept(t.retention_hours, message_bytes)
    results = _kept(max(t.results_hours, t.retention_hours), message_bytes)
    letters = _kept(max(t.results_hours, t.retention_hours), message_bytes + MARGIN)
    latest = _compacted(message_bytes)
    n = t.partitions
    return [
        *(TopicSpec("raw", name, n, work) for name in t.raw),
        TopicSpec("events", t.events, n, work, together=True),
        TopicSpec("features", t.features, n, work, together=True),
        TopicSpec("scores", t.scores, n, work, together=True),
        TopicSpec("anomalies", t.anomalies, n, work, together=True),
        TopicSpec("incidents", t.incidents, n, results, together=True),
        TopicSpec("incident_state", t.incident_state, n, latest, together=True),
        TopicSpec("drift", t.drift, n, results, together=True),
        *(TopicSpec(f"state.{w}", state_topic(settings, w), n, latest, together=True) for w in LOGGING_WORKERS),
        TopicSpec("groups", t.groups, 1, results),
        TopicSpec("state.groups", state_topic(settings, "groups"), 1, latest),
        TopicSpec("state.source", state_topic(settings, "source"), 1, latest),
        TopicSpec("control", t.control, 1, latest),
        TopicSpec("deadletter", t.deadletter, n, letters),
    ]


def state_topic(settings: Settings, worker: str) -> str:
    """The compacted topic that a worker logs its long-lived state to."""
    return f"{settings.topics.state_prefix}.{worker}.v1"


def _kept(hours: float, message_bytes: int) -> dict[str, str]:
    return {**_common(message_bytes), "cleanup.policy": "delete", "retention.ms": str(int(hours * 3_600_000))}


def _compacted(message_bytes: int) -> dict[str, str]:
    """Latest per key. Only closed segments are compacted, and recovery reads all that is left: so, small ones."""
    return {
        **_common(message_bytes),
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.1",
        "segment.bytes": str(64 << 20),
        "segment.ms": "3600000",
    }


def _common(message_bytes: int) -> dict[str, str]:
    # The broker's clock stamps every record: what is late or skewed is judged against it, never against a producer's.
    return {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(message_bytes)}
