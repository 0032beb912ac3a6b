"""Everything remembered of one entity, and how it is written down: in checkpoints and in the state topic alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from workers.incidents.incident import Ending, Incident, Phase, Track
from workers.incidents.occurrences import Occurrences
from workers.incidents.policy import Policy
from workers.incidents.scores import Contribution, Window

NEVER = -1
"""As an offset: has not happened."""


@dataclass(slots=True)
class Entity:
    """One entity of a partition. `logged` and `changed` are offsets in the input partition, `NEVER` if there is none.

    The state topic's record of the entity, taken after the record at `logged`, plus the entity's records behind it
    give this state. `changed` is the first record since that changed it, at watermark `changed_at`.
    """

    name: str
    occurrences: Occurrences
    tracks: dict[str, Track] = field(default_factory=dict)  # by profile
    logged: int = NEVER
    changed: int = NEVER
    changed_at: int = 0
    refused: bool = False
    """A late anomalous score was refused before the entity was ever logged. To be told late again by a rebuild, the
    entity must not be forgotten without a log record."""
    timer: int | None = None
    """The watermark of the entity's earliest entry in the timers; not part of what is written down."""

    @property
    def idle(self) -> bool:
        return all(track.idle for track in self.tracks.values())

    @property
    def empty(self) -> bool:
        """Nothing here that an entity never heard of would not have, apart from what late scores are told by."""
        return self.idle and not self.occurrences


def dump(entity: Entity) -> dict[str, object]:
    """The entity as JSON-ready values; equal states give equal bytes."""
    return {
        "entity": entity.name,
        "logged": entity.logged,
        "changed": entity.changed,
        "changed_at": entity.changed_at,
        "refused": entity.refused,
        "occurrences": entity.occurrences.dump(),
        "tracks": entity.tracks,
    }


def log_value(entity: Entity) -> bytes:
    """The entity's record in the state topic; `logged` is the offset that its rebuild goes on behind."""
    return orjson.dumps(dump(entity), option=orjson.OPT_SORT_KEYS)


def load(values: Mapping[str, Any], policy: Policy) -> Entity:
    """What `dump` was given."""
    return Entity(
        name=values["entity"],
        occurrences=Occurrences(policy.occurrence_days, values["occurrences"]),
        tracks={profile: _track(track) for profile, track in values["tracks"].items()},
        logged=values["logged"],
        changed=values["changed"],
        changed_at=values["changed_at"],
        refused=values["refused"],
    )


def _track(values: Mapping[str, Any]) -> Track:
    incident = values["incident"]
    return Track(
        last_end=values["last_end"],
        recent=[None if window is None else _window(window) for window in values["recent"]],
        incident=None if incident is None else _incident(incident),
    )


def _incident(values: Mapping[str, Any]) -> Incident:
    ending = values["ending"]
    known = {**values, "phase": Phase(values["phase"]), "ending": None if ending is None else Ending(ending)}
    return Incident(**{**known, "evidence": _window(values["evidence"])})


def _window(values: Mapping[str, Any]) -> Window:
    contributions = tuple(Contribution(**one) for one in values["contributions"])
    return Window(**{**values, "contributions": contributions})
