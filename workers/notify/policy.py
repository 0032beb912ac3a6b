"""What one target wants to hear of; frozen, from the settings."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from workers.notify.notice import SILENCE, Notice, rank
from workers.settings_notify import TargetSettings


@dataclass(frozen=True, slots=True)
class Policy:
    """`stale_after` in microseconds; `shows_severity`: whether a fall of severity is worth telling this target."""

    target: str
    of: Literal["incidents", "groups"] = "incidents"
    min_rank: int = 1
    entities: tuple[str, ...] = ()
    profiles: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()
    any_silence: frozenset[str] = frozenset()
    stale_after: int = 3_600_000_000
    shows_severity: bool = False

    @classmethod
    def of_settings(cls, name: str, target: TargetSettings, shows_severity: bool) -> Policy:
        return cls(
            target=name,
            of=target.of,
            min_rank=rank(target.min_severity),
            entities=tuple(target.entities),
            profiles=frozenset(target.profiles),
            severities=frozenset(target.severities),
            any_silence=frozenset(target.any_silence),
            stale_after=target.stale_after_ms * 1_000,
            shows_severity=shows_severity,
        )

    def wants(self, notice: Notice) -> bool:
        """Whether an event of ongoing trouble is one for this target."""
        if rank(notice.severity) < self.min_rank or (self.severities and notice.severity not in self.severities):
            return False
        if self.profiles and notice.profile not in self.profiles:
            return False
        if self.entities and not any(fnmatchcase(e, p) for p in self.entities for e in notice.entities):
            return False
        return notice.cause != SILENCE or notice.regular or notice.profile in self.any_silence
