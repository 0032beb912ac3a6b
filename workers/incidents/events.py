"""The records that a change leaves: the incident event as CloudEvent, the latest state, its tombstone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from schemas.framing import Writer
from schemas.records import encode
from schemas.times import format_time
from workers.incidents.identity import event_id
from workers.incidents.incident import Change, Kind, Phase
from workers.incidents.reasons import words
from workers.incidents.scores import SEVERITIES
from workers.progress import PROGRESS_HEADER
from workers.runtime.records import Output

SOURCE = "/faultline/incidents"
TYPE_PREFIX = "faultline.incident."

Form = Literal["json", "avro"]

_CONTENT_TYPES = {"json": b"application/json", "avro": b"application/avro"}


@dataclass(frozen=True, slots=True)
class Topics:
    """Where the incidents worker writes to."""

    incidents: str
    states: str
    log: str


def incident_event(change: Change, entity: str, profile: str) -> dict[str, object]:
    """The `IncidentEvent` record of a change, times in epoch microseconds."""
    incident, said = change.incident, words(change, entity)
    return {
        "type": change.kind.value,
        "id": event_id(incident.id, incident.sequence),
        "time": change.time,
        "score_id": change.score_id,
        "incident_id": incident.id,
        "fingerprint_id": incident.fingerprint,
        "sequence": incident.sequence,
        "entity": entity,
        "profile": profile,
        "cause": incident.cause,
        "regular": incident.regular,
        "severity": SEVERITIES[incident.severity],
        "first_anomalous_at": incident.first_anomalous_at,
        "opened_at": incident.opened_at,
        "last_anomalous_at": incident.last_anomalous_at,
        "resolved_at": incident.resolved_at,
        "closed_at": incident.closed_at,
        "occurrence_count": incident.occurrence_count,
        "window_count": incident.window_count,
        "anomaly_score": incident.evidence.score,
        "confidence": incident.evidence.confidence,
        "event_count": incident.evidence.events,
        "rule": {"name": change.rule.name, "have": change.rule.have, "need": change.rule.need},
        "reason": said.reason,
        "impact": said.impact,
        "recommendation": said.recommendation,
        "contributions": [
            {
                "metric": one.metric,
                "feature": one.feature,
                "share": one.share,
                "direction": one.direction,
                "actual": one.actual,
                "low": one.low,
                "high": one.high,
            }
            for one in incident.evidence.contributions
        ],
    }


class EventWriter:
    """Encodes what the incidents worker writes. `framing`: by record, how Avro says which schema it is."""

    __slots__ = ("_form", "_framing", "_topics")

    def __init__(self, topics: Topics, form: Form = "json", framing: Mapping[str, Writer] | None = None) -> None:
        self._topics = topics
        self._form = form
        self._framing = framing or {}

    def outputs(self, change: Change, entity: str, profile: str) -> list[Output]:
        """What a change writes, in order: the event, the incident's latest state, and behind CLOSED its tombstone."""
        topics = self._topics
        event = incident_event(change, entity, profile)
        state = {**event, "state": change.incident.phase.value}
        incident_key = change.incident.id.encode()
        value = self._encode("IncidentEvent", event)
        written = [Output(topics.incidents, entity.encode(), value, _headers(event, self._form))]
        if change.incident.phase is not Phase.HELD:  # what has not opened has no state that others could act on
            written.append(Output(topics.states, incident_key, self._encode("IncidentState", state)))
        if change.kind is Kind.CLOSED:
            written.append(Output(topics.states, incident_key, None))
        return written

    def progress(self, reached: int) -> Output:
        """Every event of this partition with a time below `reached` (epoch microseconds) lies before this record."""
        value = b'{"time":"' + format_time(reached).encode() + b'"}'
        return Output(self._topics.incidents, None, value, ((PROGRESS_HEADER, str(reached).encode()),))

    def log(self, entity: str, state: bytes | None) -> Output:
        """An entity's logged state; None forgets it."""
        return Output(self._topics.log, entity.encode(), state)

    def log_rule(self, key: bytes, value: bytes | None) -> Output:
        """A rule of feedback as it is in force; None forgets it."""
        return Output(self._topics.log, key, value)

    def _encode(self, name: str, record: dict[str, object]) -> bytes:
        return encode(name, [record], self._form, self._framing.get(name))[0]


def _headers(event: dict[str, object], form: Form) -> tuple[tuple[str, bytes], ...]:
    """CloudEvents 1.0 in Kafka's binary mode: attributes as headers, the record as the value."""
    time = event["time"]
    assert isinstance(time, int)
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", str(event["id"]).encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_type", f"{TYPE_PREFIX}{event['type']}".lower().encode()),
        ("ce_time", format_time(time).encode()),
        ("ce_subject", str(event["entity"]).encode()),
        ("content-type", _CONTENT_TYPES[form]),
    )
