"""What scoring knows of one partition: the time it has come to, and which models are in force from which record on."""

from __future__ import annotations

from dataclasses import dataclass, field

from workers.runtime.stage import Logged
from workers.scoring.aliases import AliasTable, Name
from workers.scoring.lookup import Lookup


@dataclass(slots=True)
class ScoringState:
    """State of one partition. `fresh`: nothing was ever taken up, not even that the registry was empty.

    `deferred` says why aliases that somebody moved are not in force: their versions did not load whole.
    `lookup` answers for the records below `until` and is made anew from there.
    """

    partition: int
    watermark: int
    aliases: AliasTable = field(default_factory=AliasTable)
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
        return state
