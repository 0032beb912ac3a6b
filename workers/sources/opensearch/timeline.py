"""All shards of several indices as one stream of documents in time order, from any place in it.

Each shard is read in the order of the time field, and of `_seq_no` within one time; of what is at hand of every shard,
all is given that cannot be preceded by anything. The place in the stream is a place in every shard. Nothing is kept
open on the server: a document keeps its place for as long as it is not written again, so no snapshot is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.sources.opensearch.paging import Hit, Order, Pages
from workers.sources.opensearch.server import Server, ServerError, Shard

HELD_BYTES = 64 << 20
"""What is held of all shards together, about."""

_NUMBERS = ("long", "integer", "double", "float", "unsigned_long", "short", "half_float", "scaled_float")
_DATES = ("date", "date_nanos")


class PlaceError(ValueError):
    """A place that does not fit these indices; the message says what to do."""


@dataclass(slots=True)
class Place:
    """How far a stream is. Sort values by `index/shard`, of documents with the time field and of those without.

    `documents` is how many were sent in all; `sent` says so for each index, where it is known: positions of earlier
    versions do not tell.
    """

    time_field: str
    uuids: dict[str, str] = field(default_factory=dict)
    timed: dict[str, list[Any]] = field(default_factory=dict)
    timeless: dict[str, list[Any]] = field(default_factory=dict)
    documents: int = 0
    dead: int = 0
    sent: dict[str, int] = field(default_factory=dict)

    def count(self, hits: Sequence[Hit]) -> None:
        """Take note of documents that go out."""
        self.documents += len(hits)
        for index, count in Counter(str(hit["_index"]) for hit in hits).items():
            self.sent[index] = self.sent.get(index, 0) + count

    def lacking(self, counted: Mapping[str, int]) -> dict[str, int]:
        """How many documents of each index were not sent, going by how many the server counts in it.

        An index that was deleted meanwhile makes up for no other. Empty where it is not known what was sent of each.
        """
        if sum(self.sent.values()) != self.documents:
            return {}
        pairs = ((index, count - self.sent.get(index, 0)) for index, count in counted.items())
        return {index: more for index, more in pairs if more > 0}

    def to_json(self) -> dict[str, Any]:
        return {
            "time_field": self.time_field,
            "uuids": dict(self.uuids),
            "timed": dict(self.timed),
            "timeless": dict(self.timeless),
            "documents": self.documents,
            "dead": self.dead,
            "sent": dict(self.sent),
        }

    @classmethod
    def from_json(cls, found: Any, time_field: str) -> Place:
        """What `to_json` gave; None is the beginning. Raises PlaceError."""
        if found is None:
            return cls(time_field)
        try:
            place = cls(**found)
        except TypeError as error:
            raise PlaceError("the position under this id is not one of this source; give another --id") from error
        if place.time_field != time_field:
            raise PlaceError(
                f"so far this source went by the field {place.time_field}, not {time_field}: give --time-field "
                f"{place.time_field}, another --id, or --restart"
            )
        return place


@dataclass(slots=True)
class _Cursor:
    """One shard: what is at hand of it, with times in epoch microseconds."""

    name: str
    pages: Iterator[list[Hit]]
    is_date: bool
    hits: list[Hit] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    ended: bool = False

    def fill(self) -> None:
        if self.hits or self.ended:
            return
        page = next(self.pages, None)
        if page is None:
            self.ended = True
            return
        self.hits, self.times = page, [micros(hit["sort"][0], self.is_date) for hit in page]

    def until(self, time: int) -> list[tuple[int, Hit]]:
        """Take what is not later."""
        count = next((i for i, other in enumerate(self.times) if other > time), len(self.times))
        taken = list(zip(self.times[:count], self.hits[:count], strict=True))
        self.hits, self.times = self.hits[count:], self.times[count:]
        return taken


class Timeline:
    """The documents of these indices behind `place`, which moves along with what was given. Raises `ServerError`."""

    def __init__(self, server: Server, indices: Sequence[str], place: Place) -> None:
        self.place = place
        self._server = server
        self._shards: list[Shard] = []
        self._kinds: dict[str, str | None] = {}
        for index in indices:
            count, uuid = server.settings(index)
            if place.uuids.setdefault(index, uuid) != uuid:
                raise PlaceError(f"{index} was made anew since it was last read: give --restart or another --id")
            kind = self._kinds[index] = server.field_type(index, place.time_field)
            if kind is not None and kind not in (*_DATES, *_NUMBERS):
                raise ServerError(
                    f"{place.time_field} is a {kind} in {index}, and so cannot be sorted by as a time: name another "
                    "field with --time-field, leave this index out, or download it"
                )
            self._shards += [Shard(index, shard) for shard in range(count)]

    def batches(self) -> Iterator[list[Hit]]:
        """Blocks of documents; after each, `place` is the place behind it."""
        cursors = [self._cursor(shard) for shard in self._shards if self._kinds[shard.index] is not None]
        while True:
            for cursor in cursors:
                cursor.fill()
            cursors = [cursor for cursor in cursors if not cursor.ended]
            if not cursors:
                break
            horizon = min(cursor.times[-1] for cursor in cursors)
            taken: list[tuple[int, Hit]] = []
            for cursor in cursors:
                mine = cursor.until(horizon)
                if mine:
                    self.place.timed[cursor.name] = mine[-1][1]["sort"]
                    taken += mine
            taken.sort(key=lambda pair: pair[0])
            yield [hit for _, hit in taken]
        yield from self._timeless()

    def _cursor(self, shard: Shard) -> _Cursor:
        name = f"{shard.index}/{shard.number}"
        is_date = self._kinds[shard.index] in _DATES
        order = Order(self.place.time_field, is_date)
        after = self.place.timed.get(name)
        size = max(256 << 10, HELD_BYTES // 4 // len(self._shards))  # parsed, a document takes about four times that
        pages = iter(Pages(self._server, shard, order, after, live=True, page_bytes=size))
        return _Cursor(name, pages, is_date)

    def _timeless(self) -> Iterator[list[Hit]]:
        """What lacks the field comes last."""
        for shard in self._shards:
            name = f"{shard.index}/{shard.number}"
            order = Order(self.place.time_field, timeless=True)
            for page in Pages(self._server, shard, order, self.place.timeless.get(name), live=True):
                self.place.timeless[name] = page[-1]["sort"]
                yield page


def micros(value: float, is_date: bool) -> int:
    """A sort value as epoch microseconds: milliseconds of a date; a number by its size, as intake reads it."""
    if is_date:
        return int(value) * 1000
    size = abs(value)
    if size < 1e11:
        return round(value * 1_000_000)
    if size < 1e14:
        return round(value * 1_000)
    return round(value) if size < 1e17 else round(value / 1_000)
