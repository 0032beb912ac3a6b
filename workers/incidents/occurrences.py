"""How often each fingerprint of an entity has opened, remembered for a bounded number of days."""

from __future__ import annotations

from collections.abc import Iterable

from workers.incidents.policy import DAY

MOST_FINGERPRINTS = 200
"""Patterns remembered of one entity; the one that opened longest ago makes room."""


class Occurrences:
    """Openings by fingerprint and UTC day of event time: at most one number a day, however much an entity flaps.

    `days` is how long openings count. A fingerprint's days are ascending except where event time went back.
    """

    __slots__ = ("_days", "_openings")

    def __init__(self, days: int, openings: Iterable[tuple[str, list[list[int]]]] = ()) -> None:
        self._days = days
        self._openings: dict[str, list[list[int]]] = dict(openings)

    def __bool__(self) -> bool:
        return bool(self._openings)

    def open(self, fingerprint: str, at: int) -> int:
        """Count an opening at `at` (epoch microseconds) and tell how many there were in the days up to it."""
        today = at // DAY
        counted = self._counted(fingerprint, today)
        self._openings.pop(fingerprint, None)
        if counted and counted[-1][0] == today:
            counted[-1][1] += 1
        else:
            counted.append([today, 1])
        self._openings[fingerprint] = counted  # put last: the order of a dict is the order of the last openings
        if len(self._openings) > MOST_FINGERPRINTS:
            del self._openings[next(iter(self._openings))]
        return sum(count for _, count in counted)

    def count(self, fingerprint: str, at: int) -> int:
        """How many openings there were in the days up to `at`."""
        return sum(count for _, count in self._counted(fingerprint, at // DAY))

    def forget(self, now: int) -> bool:
        """Drop fingerprints that have not opened within the days before `now`; whether there were any."""
        today = now // DAY
        old = [name for name, entries in self._openings.items() if entries[-1][0] <= today - self._days]
        for name in old:
            del self._openings[name]
        return bool(old)

    def next_expiry(self) -> int | None:
        """When `forget` will next drop something, epoch microseconds."""
        if not self._openings:
            return None
        return (min(entries[-1][0] for entries in self._openings.values()) + self._days) * DAY

    def _counted(self, fingerprint: str, today: int) -> list[list[int]]:
        return [entry for entry in self._openings.get(fingerprint, []) if entry[0] > today - self._days]

    def dump(self) -> list[tuple[str, list[list[int]]]]:
        """What the constructor takes back, in order."""
        return list(self._openings.items())
