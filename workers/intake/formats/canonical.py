"""Canonical events as they are: Avro single-object, Confluent-framed Avro, or JSON with the fields of the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Fault
from schemas.events import decode_events
from schemas.framing import CONFLUENT, SINGLE_OBJECT, Resolver
from workers.intake.formats.remote_write import looks_like_block


class CanonicalFormat:
    """A JSON object with `entity` and one of `kind`, `metrics`, `attributes` is meant as a canonical event."""

    name = "canonical"
    marks = (SINGLE_OBJECT, CONFLUENT, b'"entity"')
    mistakable: Literal[True] = True

    def __init__(self, resolver: Resolver | None = None) -> None:
        self._resolver = resolver

    def claims(self, value: bytes) -> bool:
        if value.startswith(SINGLE_OBJECT):
            return not looks_like_block(value)  # a request of 195 bytes, packed, begins with the same two
        if value.startswith(CONFLUENT):
            return True
        return b'"entity"' in value and (b'"kind"' in value or b'"metrics"' in value or b'"attributes"' in value)

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        return decode_events(values, resolver=self._resolver)
