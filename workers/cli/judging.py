"""What people say of incidents, as records of the control topic: composed, bounded, written, read, taken back."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.ids import stable_id
from schemas.records import decode
from schemas.times import format_time
from workers.cli.clients import connect
from workers.cli.controlling import author, read_controls, write_control
from workers.cli.failures import Failure, WrongUse
from workers.cli.incident_lookup import event_time, find_incident
from workers.incidents.controls import KIND, LONGEST_PATTERN, control_key, control_record, read_feedback
from workers.incidents.feedback import Feedback, Verdict
from workers.incidents.scores import SEVERITIES
from workers.settings import Settings

WEEK = 7 * 86_400_000_000
LONGEST = 366 * 86_400_000_000
"""A rule holds at most so long: what shall be so for ever is a matter of thresholds and training."""

UNDONE, CONTRADICTED = "undone", "contradicted"

_ID = 12
_LONGEST_COMMENT = 1_000


@dataclass(frozen=True, slots=True)
class Said:
    """One record of feedback, read back. `record` is the decoded control record."""

    feedback: Feedback
    record: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.feedback.id

    @property
    def body(self) -> Mapping[str, Any]:
        body: Mapping[str, Any] = self.record["body"]
        return body

    def state(self, now: int) -> str:
        """`in force`, `expired`, `undone`, `contradicted`; `label` of what holds nothing back at any time."""
        if "ended" in self.body:
            return str(self.body["ended"])
        if self.feedback.verdict is Verdict.REAL:
            return "label"
        return "in force" if self.feedback.expires_at > now else "expired"


class Desk:
    """Where feedback is given: one connection, the settings, who speaks. Every method may raise `Failure`."""

    def __init__(self, settings: Settings, speaker: str) -> None:
        self._settings, self._author = settings, speaker
        self._admin: AdminClient = connect(settings)

    @property
    def now(self) -> int:
        """The event time that the incidents worker has reached."""
        return event_time(self._settings, self._admin)

    def said(self) -> list[Said]:
        """All feedback on the control topic, oldest first; what cannot be understood is told on standard error."""
        found = []
        for control in read_controls(self._settings):
            if not control.key.startswith(f"{KIND}/".encode()) or control.value is None:
                continue
            records, faults = decode("Control", [control.value])
            try:
                if records[0] is None:
                    raise ValueError(faults[0].message)
                found.append(Said(read_feedback(records[0]), records[0]))
            except ValueError as error:
                print(f"faultline: {self._settings.topics.control} {control.offset}: {error}", file=sys.stderr)
        return found

    def judge(
        self, verdict: Verdict, incident: str, until: int | None = None, severity: str = "", comment: str = ""
    ) -> tuple[Said, list[str]]:
        """Say what an incident was; with it the ids of false alarms that a real incident contradicts.

        `until` defaults to a week of event time from now. One verdict an incident: a later one replaces it.
        """
        now = self.now
        known = find_incident(self._settings, self._admin, incident)
        others = self.said()
        body = {
            "verdict": verdict.value,
            "incident_id": known.incident_id,
            "fingerprint_id": known.fingerprint_id,
            "entity": glob.escape(known.entity),
            "profile": known.profile,
            "severity": severity or (known.severity if verdict is Verdict.FALSE_ALARM else "critical"),
            "starts_at": format_time(known.last_anomalous_at),
            "incident_start": format_time(known.first_anomalous_at),
            "incident_end": format_time(known.last_anomalous_at),
            "comment": comment[:_LONGEST_COMMENT],
        }
        said = self._say(known.incident_id[:_ID], body, now, until, others)
        contradicted = []
        if verdict is Verdict.REAL:
            contradicted = [
                one
                for one in others
                if one.state(now) == "in force"
                and one.feedback.verdict is Verdict.FALSE_ALARM
                and one.feedback.fingerprint == known.fingerprint_id
                and one.id != said.id
            ]
            for one in contradicted:
                self._end(one, now, CONTRADICTED)
        return said, [one.id for one in contradicted]

    def expect(
        self,
        entity: str,
        until: int,
        start: int | None = None,
        profile: str = "",
        severity: str = "",
        comment: str = "",
    ) -> Said:
        """Say that trouble of these entities is expected, from now or `start` on."""
        if not 0 < len(entity) <= LONGEST_PATTERN:
            raise WrongUse(f"--entity: give a pattern of at most {LONGEST_PATTERN} characters")
        now = self.now
        body = {
            "verdict": Verdict.EXPECTED.value,
            "entity": entity,
            "profile": profile,
            "severity": severity or "critical",
            "starts_at": format_time(now if start is None else start),
            "comment": comment[:_LONGEST_COMMENT],
        }
        id_ = stable_id(entity, profile, now if start is None else start, until)[:_ID]
        return self._say(id_, body, now, until, self.said())

    def undo(self, prefix: str) -> Said:
        """Take feedback back: it holds nothing back from now on, and is no label."""
        here = [one for one in self.said() if one.body.get("ended") != UNDONE]
        found = [one for one in here if one.id.startswith(prefix)]
        if len(found) != 1 or not prefix:
            what = f"{len(found)} have" if found else "no feedback has"
            raise WrongUse(f"{what} an id that begins with {prefix!r}; see `faultline feedback list`")
        return self._end(found[0], self.now, UNDONE)

    def _say(self, id_: str, body: Mapping[str, object], now: int, until: int | None, others: Iterable[Said]) -> Said:
        expires_at = now + WEEK if until is None else until
        if body["severity"] not in SEVERITIES[1:]:
            raise WrongUse(f"severity {body['severity']!r}: choose low, medium, high or critical")
        if not now < expires_at <= now + LONGEST:
            raise WrongUse(
                f"it would hold until {format_time(expires_at)}; event time is {format_time(now)}: choose a time after "
                "that, and within a year"
            )
        most = self._settings.incidents.feedback_rules
        if body["verdict"] != Verdict.REAL.value:
            there = sum(1 for one in others if one.id != id_ and one.state(now) == "in force")
            if there >= most:
                raise Failure(
                    f"{there} rules are in force, and no more than {most} may be: take some back "
                    "(`faultline feedback list`, `feedback undo`), or raise FAULTLINE_INCIDENTS__FEEDBACK_RULES"
                )
        return self._write(control_record(id_, body, now, self._author, expires_at))

    def _end(self, one: Said, now: int, how: str) -> Said:
        """Not a tombstone: that would vanish, and events that cite the rule would cite nothing."""
        body = {**one.body, "ended": how, "ended_at": format_time(now), "ended_by": self._author}
        expires_at = min(now, one.feedback.expires_at)
        return self._write(control_record(one.id, body, one.record["time"], one.record["author"], expires_at))

    def _write(self, record: dict[str, Any]) -> Said:
        try:
            write_control(self._settings, control_key(record["id"]), record)
        except Failure as error:
            raise Failure(f"not written: {error}. `faultline config check` tells more") from error
        return Said(read_feedback(record), record)


def rules_in_force(settings: Settings) -> tuple[int | None, str | None]:
    """How many rules are in force by event time, or why that cannot be told."""
    try:
        desk = Desk(settings, author())
        said, now = desk.said(), desk.now
    except Failure as failure:
        return None, str(failure)
    except KafkaException as error:
        return None, f"Kafka: {error.args[0].str()}"
    return sum(one.state(now) == "in force" for one in said), None


def document(one: Said, now: int) -> dict[str, object]:
    """For a machine, and for a table by column."""
    feedback, body = one.feedback, one.body
    return {
        "id": one.id,
        "verdict": feedback.verdict.value,
        "state": one.state(now),
        "entity": feedback.entity,
        "profile": feedback.profile,
        "severity": SEVERITIES[feedback.severity],
        "starts_at": format_time(feedback.starts_at),
        "expires_at": format_time(feedback.expires_at),
        "author": feedback.author,
        "incident_id": body.get("incident_id", ""),
        "fingerprint_id": feedback.fingerprint,
        "comment": body.get("comment", ""),
    }
