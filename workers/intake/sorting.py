"""Which wire format a record is of: as its topic's setting says, else the first that claims it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress

from workers.intake.formats.wire import Format


class Sorter:
    """`by_topic` names formats by raw topic; formats are asked in their order."""

    def __init__(self, formats: Sequence[Format], by_topic: Mapping[str, str]) -> None:
        self._formats = tuple(formats)
        self.by_name = {wire.name: wire for wire in formats}
        self._by_topic = {topic: self.by_name[name] for topic, name in by_topic.items()}

    def is_set(self, topic: str) -> bool:
        """Whether a setting says which format the topic's records are of, and looks do not."""
        return topic in self._by_topic

    def following(self, wire: Format, value: bytes) -> Format | None:
        """The next format after `wire` that claims the record."""
        return next((one for one in self._formats[self._formats.index(wire) + 1 :] if one.claims(value)), None)

    def sort(self, topic: str, values: Sequence[bytes]) -> tuple[dict[Format, list[int]], list[int]]:
        """The places of each format's records, ascending, and those that no format claims. Empty values are passed."""
        fixed = self._by_topic.get(topic)
        if fixed is not None:
            return {fixed: [place for place, value in enumerate(values) if value]}, []
        found: dict[Format, list[int]] = {}
        left: Sequence[int] = range(len(values))
        glance = _Glance(values)
        for wire in self._formats:
            if wire.marks and not any(map(glance.shows, wire.marks)):
                continue
            claimed = list(map(wire.claims, map(values.__getitem__, left)))
            if any(claimed):
                found[wire] = list(compress(left, claimed))
                left = [place for place, taken in zip(left, claimed, strict=True) if not taken]
            if not left:
                break
        return found, [place for place in left if values[place]]


class _Glance:
    """All values of a chunk at once: to look for bytes in them costs less than to ask each value."""

    __slots__ = ("_ascii", "_everything")

    def __init__(self, values: Sequence[bytes]) -> None:
        self._everything = b"".join(values)
        self._ascii = self._everything.isascii()

    def shows(self, mark: bytes) -> bool:
        return not (self._ascii and mark[0] > 127) and mark in self._everything
