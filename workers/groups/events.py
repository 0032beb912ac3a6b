"""The record that a group's step leaves."""

from __future__ import annotations

from models.severity import NAMES as SEVERITIES
from schemas.framing import Writer
from schemas.records import Form, encode
from workers.groups.causes import root_causes
from workers.groups.group import SILENCE, Kind
from workers.groups.links import Links
from workers.groups.policy import Policy
from workers.groups.sentences import sentence
from workers.groups.step import Change
from workers.runtime.records import Output


class EventWriter:
    """Encodes group events. `framing`: how Avro says which schema it is."""

    def __init__(self, policy: Policy, links: Links, topic: str, form: Form = "json", framing: Writer | None = None):
        self._policy, self._links = policy, links
        self._topic, self._form, self._framing = topic, form, framing

    def output(self, change: Change) -> Output:
        """To be called before the next step: it reads the group as it is."""
        group = change.group
        value = encode("GroupEvent", [self.record(change)], self._form, self._framing)[0]
        return Output(self._topic, group.id.encode(), value, partition=0)

    def record(self, change: Change) -> dict[str, object]:
        """The `GroupEvent`, times in epoch microseconds."""
        group = change.group
        over = change.kind in (Kind.RESOLVE, Kind.CLOSED)
        causes = root_causes(self._policy, self._links, group)
        return {
            "group_id": group.id,
            "type": change.kind.value,
            "sequence": change.sequence,
            "time": change.time,
            "incident_ids": list(group.incidents),
            "entities": list(group.entities),
            "incident_count": group.incident_count,
            "open_count": group.open_count,
            "entity_count": group.entity_count,
            "root_causes": [{"entity": c.entity, "share": c.share, "reason": c.reason} for c in causes],
            "severity": SEVERITIES[group.severity],
            "regular": group.regular,
            "cause": SILENCE if group.silent else "deviation",
            "opened_at": group.opened_at,
            "resolved_at": group.resolved_at if over else None,
            "closed_at": change.time if change.kind is Kind.CLOSED else None,
            "reason": sentence(change, causes),
        }
