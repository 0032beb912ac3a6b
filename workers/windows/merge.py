"""One sequence of outputs out of several engines', cut into bounded chunks.

Outputs are ordered by record; at one record by profile, and within a profile as its engine gives them. Profiles stay
together because downstream works on blocks of one profile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Vectors
from workers.runtime.records import Chunk, DeadLetter, Output, View
from workers.windows.engine import Emission

MAX_OUTPUTS = 10_000
"""Outputs of one chunk."""

Encoder = Callable[[Vectors], list[Output]]


@dataclass(slots=True)
class Stream:
    """One engine's emissions for a batch, as outputs with the records they belong to."""

    profile: str
    emissions: Iterator[Emission]
    encode: Encoder
    records: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    outputs: list[Output] = field(default_factory=list)
    place: int = 0
    views: list[View] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def head(self) -> int | None:
        """The record of the next output; None when there is none. Takes further emissions as needed."""
        while self.place == len(self.outputs):
            emission = next(self.emissions, None)
            if emission is None:
                return None
            self.records, self.outputs = _in_order(emission, self.encode)
            self.place = 0
            self.views.extend(emission.views)
            self.counts.update({f"{self.profile}.{name}": count for name, count in emission.counts.items()})
        return int(self.records[self.place])

    def take(self, limit: int | None, including: bool, most: int) -> tuple[list[Output], NDArray[np.int64]]:
        """The outputs of records below `limit` (or up to it), at most so many, without asking for more emissions."""
        stop = len(self.outputs)
        if limit is not None:
            stop = int(np.searchsorted(self.records, limit, side="right" if including else "left"))
        part = slice(self.place, min(stop, self.place + most))
        self.place = part.stop
        return self.outputs[part], self.records[part]


def merge(streams: Sequence[Stream], dead: Sequence[DeadLetter], records: int) -> Iterator[Chunk]:
    """Chunks of a batch of so many records. `dead` is ascending; each comes with the chunk that passes its record."""
    pending = list(dead)
    chunk, at, given = Chunk(0), -1, 0  # `given` outputs of record `at` so far, in all chunks
    while True:
        heads = [(head, number) for number, stream in enumerate(streams) if (head := stream.head()) is not None]
        if not heads:
            break
        (head, number), others = min(heads), sorted(heads)[1:]
        if len(chunk.outputs) >= MAX_OUTPUTS:
            yield _finish(chunk, head, given if head == at else 0, pending, streams)
            chunk = Chunk(head)
        limit = others[0][0] if others else None
        including = bool(others) and number < others[0][1]
        outputs, places = streams[number].take(limit, including, MAX_OUTPUTS - len(chunk.outputs))
        chunk.outputs.extend(outputs)
        last = int(places[-1])
        in_last = len(places) - int(np.searchsorted(places, last))
        given = in_last + (given if last == at else 0)
        at = last
    yield _finish(chunk, records, 0, pending, streams)


def _finish(chunk: Chunk, done: int, position: int, dead: list[DeadLetter], streams: Sequence[Stream]) -> Chunk:
    chunk.done, chunk.position = done, position
    passed = sum(letter.index < done for letter in dead)
    chunk.dead.extend(dead[:passed])
    del dead[:passed]
    counts: Counter[str] = Counter()
    for stream in streams:
        chunk.views.extend(stream.views)
        counts.update(stream.counts)
        stream.views, stream.counts = [], Counter()
    chunk.counts = counts
    return chunk


def _in_order(emission: Emission, encode: Encoder) -> tuple[NDArray[np.int64], list[Output]]:
    """An emission's outputs by record; at one record vectors first, then what was logged."""
    tables = [emission.vectors, *emission.more]
    outputs = [output for table in tables if len(table) for output in encode(table)]
    records = np.concatenate([table.at for table in tables]).astype(np.int64)
    if emission.order is not None:
        outputs, records = [outputs[row] for row in emission.order.tolist()], records[emission.order]
    if emission.logged:
        outputs += [output for _, output in emission.logged]
        records = np.concatenate([records, np.array([record for record, _ in emission.logged], np.int64)])
        order = np.argsort(records, kind="stable")
        outputs, records = [outputs[row] for row in order.tolist()], records[order]
    return records, outputs
