"""What enters and leaves a stage: columns of records in, outputs and dead letters out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Records:
    """Consecutive records of one input partition, in offset order. All columns have one length.

    `offsets` int64; `timestamps` int64, the Kafka timestamp in epoch microseconds (broker append time).
    """

    topic: str
    partition: int
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers | None]

    def __len__(self) -> int:
        return len(self.values)

    def slice(self, start: int, stop: int) -> Records:
        """The records [start, stop) of this batch; columns are views."""
        return Records(
            self.topic,
            self.partition,
            self.offsets[start:stop],
            self.timestamps[start:stop],
            self.keys[start:stop],
            self.values[start:stop],
            self.headers[start:stop],
        )


class Output(NamedTuple):
    """One record to produce. `partition` None means: the partition that the input came from.

    A tuple, which is made three times as fast as a dataclass: there is one for every record that leaves.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        size = len(self.key or b"") + len(self.value or b"")
        return size + sum(len(name) + len(value) for name, value in self.headers) if self.headers else size


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An input record that could not be processed. `index` is its place in the `Records` handed to `step`."""

    index: int
    error_class: str
    message: str


@dataclass(frozen=True, slots=True)
class View:
    """A readable value for others in Redis, published after the commit that it belongs to.

    `version` grows with time; an older version never overwrites a newer one. `ttl` in seconds.
    """

    key: str
    value: bytes
    version: int
    ttl: int


@dataclass(slots=True)
class Chunk:
    """A bounded piece of a step's result, in record order.

    `done` is how many records of the batch are fully processed once this chunk's outputs are out. If the outputs
    of record `done` are only partly contained (a record can close thousands of panes), `position` says how many
    of that record's outputs all chunks of this batch have given so far; otherwise it is 0. Every dead letter lies
    below `done`: that of a record which also has outputs comes with the chunk that finishes the record.
    `counts` adds up outcomes and events by name (`processed`, `skipped_late`, …) for the metrics.
    """

    done: int
    position: int = 0
    outputs: list[Output] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    counts: Mapping[str, int] = field(default_factory=dict)
