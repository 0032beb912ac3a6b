"""What a wire format is to intake: something that recognises its records and turns them into columns of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schemas.columns import Events, Fault


class Format(Protocol):
    """One wire format. Stateless but for caches: the same bytes always give the same event."""

    name: str

    def claims(self, value: bytes) -> bool:
        """Whether a record looks like this format, from a glance at its bytes. Never raises."""
        ...

    def decode(self, values: Sequence[bytes]) -> tuple[Events, list[Fault]]:
        """Events, and a fault for every record that gave none; both by the record's place in `values`, ascending.

        A fault's message names the field and the fix. Entities are never empty.
        """
        ...
