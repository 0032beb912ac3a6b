"""What a wire format is to intake: something that recognises its records and turns them into columns of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Fault


class Format(Protocol):
    """One wire format. Stateless but for caches: the same bytes always give the same event."""

    name: str

    @property
    def marks(self) -> tuple[bytes, ...]:
        """Every record of this format holds at least one of these; empty where there are no such bytes.

        The records of a chunk without any are not asked about one by one.
        """
        ...

    def claims(self, value: bytes) -> bool:
        """Whether a record looks like this format, from a glance at its bytes. Never raises."""
        ...

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        """Events, and faults of records that gave none; both by the record's place in `values`, ascending.

        A record that is in order and holds nothing to take (metadata, markers) gives neither: it is skipped.

        A record may give several events. `arrived` are the records' Kafka timestamps, epoch microseconds, for what does
        not say its time, or not all of it. A fault's message names the field and the fix. Entities are never empty.
        """
        ...


@runtime_checkable
class CountingFormat(Format, Protocol):
    """A format that tells what its records held beside events."""

    def decode_counted(
        self, values: Sequence[bytes], arrived: NDArray[np.int64]
    ) -> tuple[Events, list[Fault], Mapping[str, int]]:
        """As `decode`, with counts by name. A record may be good and give no event: its content is skipped by rule."""
        ...


@runtime_checkable
class LongNamesFormat(Format, Protocol):
    """A format whose producers put so much into labels that names of metrics may be longer than an event can have.

    They are cut when they have been redacted. Of all other formats such an event is a dead letter.
    """

    cuts_long_names: Literal[True]


@runtime_checkable
class MistakableFormat(Format, Protocol):
    """A format known by words that documents of other kinds may hold as well (`entity`, `tags`, `kind`).

    What it finds invalid, and was only told by its bytes, is offered to the formats behind it.
    """

    mistakable: Literal[True]
