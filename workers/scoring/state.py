"""What scoring knows of one partition: its time, which models are in force from which record on, thresholds, drift, and
the usual errors of entities without a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from models.untrained.running import Usual
from workers.runtime.stage import Logged, Part, RebuildPoint
from workers.scoring.aliases import AliasTable, Name
from workers.scoring.drift import Day, DriftWatch
from workers.scoring.lookup import Lookup
from workers.scoring.own_thresholds import OwnThresholds
from workers.scoring.sampled import Sampled
from workers.scoring.usual_errors import UsualErrors

_HEAD, _ALIASES = "head", "aliases"
_NEVER = -1


@dataclass(slots=True)
class ScoringState:
    """State of one partition. `fresh`: nothing was ever taken up, not even that the registry was empty.

    `deferred` says why aliases that somebody moved are not in force: their versions did not load whole.
    `lookup` answers for the records below `until` and is made anew from there.
    """

    partition: int
    watermark: int
    next_offset: int = _NEVER
    aliases: AliasTable = field(default_factory=AliasTable)
    own: OwnThresholds = field(default_factory=OwnThresholds)
    drift: DriftWatch = field(default_factory=DriftWatch)
    errors: UsualErrors = field(default_factory=UsualErrors)
    fresh: bool = True
    deferred: dict[Name, str] = field(default_factory=dict)
    lookup: Lookup | None = None
    until: int | None = None

    @classmethod
    def rebuild(cls, partition: int, watermark: int, logged: list[Logged]) -> ScoringState:
        """Empty but for what was logged."""
        state = cls(partition, watermark)
        for entry in logged:
            if state.aliases.decode(entry.key, entry.value):
                state.fresh = False
            else:
                any(kept.take(entry.key, entry.value) for kept in state.kept)
        return state

    @property
    def kept(self) -> tuple[OwnThresholds, Sampled[Day], Sampled[Usual]]:
        """What is kept of entities: each takes from the log, and from a checkpoint, what is its own."""
        return self.own, self.drift.kept, self.errors.kept

    def rebuild_point(self) -> RebuildPoint | None:
        if self.next_offset == _NEVER:
            return None
        return RebuildPoint(*(self.own.oldest_change or (self.next_offset, self.watermark)))

    def parts(self) -> dict[str, Part]:
        if self.next_offset == _NEVER:
            return {}
        return {
            _HEAD: Part(self.next_offset, self._encode_head),
            _ALIASES: Part(self.aliases.version, self._encode_aliases),
            **dict(part for kept in self.kept for part in kept.parts()),
        }

    @classmethod
    def restore(cls, partition: int, parts: Mapping[str, bytes]) -> ScoringState:
        """The state that `parts` was taken from."""
        head = orjson.loads(parts[_HEAD])
        state = cls(partition, head["watermark"], head["next_offset"], fresh=head["fresh"])
        for key, value in orjson.loads(parts[_ALIASES]).items():
            state.aliases.decode(key.encode(), value.encode())
        for kept in state.kept:
            kept.restore(parts)
        return state

    def _encode_head(self) -> bytes:
        return orjson.dumps({"watermark": self.watermark, "next_offset": self.next_offset, "fresh": self.fresh})

    def _encode_aliases(self) -> bytes:
        return orjson.dumps({key.decode(): value.decode() for key, value in self.aliases.encode()})
