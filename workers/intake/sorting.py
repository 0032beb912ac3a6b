"""Which wire format a record is of: as its topic's setting says, else the first that claims it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workers.intake.formats.wire import Format


class Sorter:
    """`by_topic` names formats by raw topic; formats are asked in their order."""

    def __init__(self, formats: Sequence[Format], by_topic: Mapping[str, str]) -> None:
        self._formats = tuple(formats)
        by_name = {wire.name: wire for wire in formats}
        self._by_topic = {topic: by_name[name] for topic, name in by_topic.items()}

    def sort(self, topic: str, values: Sequence[bytes]) -> tuple[dict[Format, list[int]], list[int]]:
        """The places of each format's records, ascending, and those that no format claims. Empty values are passed."""
        fixed = self._by_topic.get(topic)
        if fixed is not None:
            return {fixed: [place for place, value in enumerate(values) if value]}, []
        formats = self._possible(values)
        found: dict[Format, list[int]] = {}
        unknown: list[int] = []
        for place, value in enumerate(values):
            for wire in formats:
                if wire.claims(value):
                    found.setdefault(wire, []).append(place)
                    break
            else:
                if value:
                    unknown.append(place)
        return found, unknown

    def _possible(self, values: Sequence[bytes]) -> list[Format]:
        """The formats of which anything is there: one look at all values costs less than asking at each of them."""
        everything = b"".join(values)
        return [wire for wire in self._formats if not wire.marks or any(mark in everything for mark in wire.marks)]
