"""What comes out: vectors and scores counted, incidents followed from opening to resolution, lags of the workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from schemas.records import decode
from workers.demo.judging import Incident
from workers.progress import PROGRESS_HEADER
from workers.settings import Settings


@dataclass(frozen=True, slots=True)
class Score:
    """What is shown of a score; `time` is the window's end, epoch microseconds."""

    entity: str
    time: int
    value: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """An incident event worth telling: CREATE, ESCALATE, RESOLVE, REOPEN …"""

    type: str
    time: int
    incident: Incident
    rule: str
    """The rule at work and how far it has come."""
    impact: str
    recommendation: str


class Watcher:
    """Reads the output topics from their beginning, outside any group, committed records only.

    `scores` holds the last `keep` scores (None: all).
    """

    def __init__(self, options: Mapping[str, object], settings: Settings, keep: int | None = None) -> None:
        topics = settings.topics
        self.vectors = 0
        self.dead_letters = 0
        self.scores: deque[Score] = deque(maxlen=keep)
        self.scored = 0
        self.reached: dict[str, int] = {}  # entity → end of its newest scored window
        self.told_until: dict[int, int] = {}  # partition → every incident event before that time has been told
        self.incidents: dict[str, Incident] = {}
        self.lives: dict[str, list[Change]] = {}
        """Of each incident all that was said of it."""
        self.refused: list[str] = []
        self._changes: list[Change] = []
        self._take: dict[str, Callable[[list[Message]], None]] = {
            topics.features: self._take_vectors,
            topics.scores: self._take_scores,
            topics.incidents: self._take_incidents,
            topics.deadletter: self._take_dead_letters,
        }
        self._consumer = Consumer(
            {
                **options,
                "group.id": "faultline-demo",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
            }
        )
        places = []
        for topic in self._take:
            known = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
            places += [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in known]
        self._consumer.assign(places)

    def poll(self, timeout: float) -> list[Change]:
        """Take in what has come, waiting so many seconds for the first of it; the incident events among it."""
        batches: dict[str, list[Message]] = {}
        for message in self._consumer.consume(5_000, timeout):
            error = message.error()
            if error is None:
                batches.setdefault(str(message.topic()), []).append(message)
            elif error.fatal():
                raise KafkaException(error)
        for topic, messages in batches.items():
            self._take[topic](messages)
        changes, self._changes = self._changes, []
        return changes

    def close(self) -> None:
        self._consumer.close()

    def _take_vectors(self, messages: list[Message]) -> None:
        self.vectors += len(messages)

    def _take_dead_letters(self, messages: list[Message]) -> None:
        self.dead_letters += len(messages)
        for message in messages[: 3 - len(self.refused)]:
            headers = dict(message.headers() or [])
            text = headers.get("faultline-error-message") or b""
            self.refused.append(text if isinstance(text, str) else text.decode(errors="replace"))

    def _take_scores(self, messages: list[Message]) -> None:
        records, _ = decode("Score", [message.value() for message in messages])
        for record in records:
            if record is not None:
                value, note = float(record["anomaly_score"]), str(record.get("note") or "")
                score = Score(str(record["entity"]), int(record["window_end"]), value, note)
                self.scores.append(score)
                self.scored += 1
                self.reached[score.entity] = max(self.reached.get(score.entity, score.time), score.time)

    def _take_incidents(self, messages: list[Message]) -> None:
        told = []
        for message in messages:
            if message.key() is not None:
                told.append(message)
            else:
                self._take_progress(message)
        records, _ = decode("IncidentEvent", [message.value() for message in told])
        for record in records:
            if record is None:
                continue
            incident = _incident(record)
            self.incidents[incident.incident_id] = incident
            change = _change(record, incident)
            self.lives.setdefault(incident.incident_id, []).append(change)
            self._changes.append(change)

    def _take_progress(self, message: Message) -> None:
        """How far a partition's incidents have come."""
        progress = dict(message.headers() or []).get(PROGRESS_HEADER)
        partition = message.partition()
        if progress is not None and partition is not None:
            self.told_until[partition] = max(self.told_until.get(partition, 0), int(progress))


def _change(record: Mapping[str, Any], incident: Incident) -> Change:
    rule = record["rule"]
    return Change(
        type=str(record["type"]),
        time=int(record["time"]),
        incident=incident,
        rule=f"{rule['have']} of {rule['need']} {rule['name']}",
        impact=str(record["impact"]),
        recommendation=str(record["recommendation"]),
    )


def _incident(record: Mapping[str, object]) -> Incident:
    def time(name: str) -> int:
        return int(record[name])  # type: ignore[call-overload, no-any-return]

    return Incident(
        incident_id=str(record["incident_id"]),
        entity=str(record["entity"]),
        first_anomalous_at=time("first_anomalous_at"),
        opened_at=time("opened_at"),
        last_anomalous_at=time("last_anomalous_at"),
        severity=str(record["severity"]),
        reason=str(record["reason"]),
        resolved_at=None if record.get("resolved_at") is None else time("resolved_at"),
    )
