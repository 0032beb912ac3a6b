"""What the incidents topic tells of an incident, open or long closed, and how far event time has come there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from confluent_kafka.admin import AdminClient

from workers.cli import cluster
from workers.cli.failures import WrongUse
from workers.cli.letters import headers
from workers.cli.reading import offsets_at, to_end
from workers.cli.tailing import Record, decoded
from workers.incidents.scores import SEVERITIES
from workers.progress import PROGRESS_HEADER
from workers.settings import Settings

_LAST = 100
"""Records of a partition in which some tell of progress: at most that many between two of them, or nearly."""

_LEAST_PREFIX = 6
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """An incident. Times are epoch microseconds; `severity` is the highest that it had."""

    incident_id: str
    fingerprint_id: str
    entity: str
    profile: str
    severity: str
    first_anomalous_at: int
    last_anomalous_at: int


def find_incident(settings: Settings, admin: AdminClient, prefix: str) -> Known:
    """The incident whose id begins so. Raises `WrongUse` unless there is one, and only one."""
    if len(prefix) < _LEAST_PREFIX or not prefix.isalnum():
        raise WrongUse(f"{prefix!r} is no id of an incident: give at least its first {_LEAST_PREFIX} characters")
    for topic, name in (
        (settings.topics.incidents, "IncidentEvent"),
        (settings.topics.incident_state, "IncidentState"),  # what is open may be older than the other topic remembers
    ):
        found = _known(_records(settings, admin, topic, name, prefix))
        mine = [one for id_, one in found.items() if id_.startswith(prefix)]
        if len(mine) > 1:
            raise WrongUse(f"{len(mine)} incidents have an id that begins with {prefix!r}: give more of it")
        if mine:
            return mine[0]
    raise WrongUse(f"no incident in {settings.topics.incidents} has an id that begins with {prefix!r}")


def all_incidents(settings: Settings, admin: AdminClient) -> dict[str, Known]:
    """Every incident that the topic still tells of, by id."""
    return _known(_records(settings, admin, settings.topics.incidents, "IncidentEvent", ""))


def event_time(settings: Settings, admin: AdminClient) -> int:
    """The event time that the incidents worker has reached, epoch microseconds; the clock's where it has told none."""
    topic = settings.topics.incidents
    starts = offsets_at(admin, topic, 0)
    ends = cluster.ends(admin, starts)
    reached = []
    for message in to_end(settings, {at: max(start, ends[at] - _LAST) for at, start in starts.items()}, ends):
        told = dict(headers(message)).get(PROGRESS_HEADER)
        if told is not None:
            reached.append(int(told))
    return max(reached, default=time.time_ns() // 1_000)


def _records(settings: Settings, admin: AdminClient, topic: str, name: str, contains: str) -> Iterator[Record]:
    starts = offsets_at(admin, topic, 0)
    wanted = contains.encode()
    messages = (
        message
        for message in to_end(settings, starts, cluster.ends(admin, starts))
        if wanted in (message.value() or b"")  # an id stands as text in JSON and in Avro
    )
    while batch := list(islice(messages, _BATCH)):
        yield from decoded(name, batch)


def _known(records: Iterator[Record]) -> dict[str, Known]:
    found: dict[str, Known] = {}
    for record in records:
        id_, last = str(record["incident_id"]), int(str(record["last_anomalous_at"]))
        known = found.get(id_)
        if known is None:
            found[id_] = Known(
                id_,
                str(record["fingerprint_id"]),
                str(record["entity"]),
                str(record["profile"]),
                str(record["severity"]),
                int(str(record["first_anomalous_at"])),
                last,
            )
        else:
            severity = max(known.severity, str(record["severity"]), key=SEVERITIES.index)
            found[id_] = replace(known, severity=severity, last_anomalous_at=max(known.last_anomalous_at, last))
    return found
