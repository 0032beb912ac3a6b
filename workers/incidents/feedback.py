"""What people said of incidents and entities, as rules that keep incidents from opening until a stated event time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from fnmatch import translate
from typing import Any

from schemas.times import format_time


class Verdict(StrEnum):
    """What somebody says of trouble."""

    FALSE_ALARM = "false_alarm"
    REAL = "real"
    EXPECTED = "expected"

    @property
    def words(self) -> str:
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Feedback:
    """A rule that holds incidents back. Times are epoch microseconds of event time; `severity` is a rank.

    It holds for windows that end after `starts_at` and not after `expires_at`, up to `severity`. A false alarm is of
    one `fingerprint`; what is expected is of the entities that the pattern `entity` fits (`*`, `?`, `[…]`), in one
    `profile` or, if that is empty, in all.
    """

    id: str
    verdict: Verdict
    entity: str
    profile: str
    fingerprint: str
    severity: int
    starts_at: int
    expires_at: int
    author: str

    def __str__(self) -> str:
        return f"feedback {self.id}: {self.verdict.words} until {format_time(self.expires_at)[:19]}Z"

    def holds(self, severity: int, end: int) -> bool:
        """Whether it holds back trouble of that severity in a window that ends then; fingerprint and entity apart."""
        return severity <= self.severity and self.starts_at < end <= self.expires_at


def load_feedback(values: Mapping[str, Any]) -> Feedback:
    """What `dump_feedback` was given."""
    return Feedback(**{**values, "verdict": Verdict(values["verdict"])})


def dump_feedback(one: Feedback) -> dict[str, object]:
    """JSON-ready values."""
    return asdict(one)


class Rules:
    """The rules in force for some records, ready to be asked."""

    __slots__ = ("_expected", "_false_alarms")

    def __init__(self, feedback: Iterable[Feedback] = ()) -> None:
        """Of several that hold, the first here is the one that is told."""
        self._false_alarms: dict[str, list[Feedback]] = {}
        self._expected: list[tuple[re.Pattern[str], Feedback]] = []
        for one in feedback:
            if one.verdict is Verdict.FALSE_ALARM:
                self._false_alarms.setdefault(one.fingerprint, []).append(one)
            elif one.verdict is Verdict.EXPECTED:
                self._expected.append((re.compile(translate(one.entity)), one))

    def holding(self, entity: str, profile: str, fingerprint: str, severity: int, end: int) -> Feedback | None:
        """The rule that keeps this trouble from opening an incident, if there is one."""
        for one in self._false_alarms.get(fingerprint, ()):
            if one.holds(severity, end):
                return one
        for pattern, one in self._expected:
            if one.profile in ("", profile) and one.holds(severity, end) and pattern.match(entity):
                return one
        return None


NO_RULES = Rules()
