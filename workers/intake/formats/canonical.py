"""Canonical events as they are: Avro single-object, Confluent-framed Avro, or JSON with the fields of the contract."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.columns import Events, Fault
from schemas.events import decode_events

_AVRO_SINGLE_OBJECT = b"\xc3\x01"
_CONFLUENT = b"\x00"


class CanonicalFormat:
    """A JSON object with `entity` and one of `kind`, `metrics`, `attributes` is meant as a canonical event."""

    name = "canonical"

    def claims(self, value: bytes) -> bool:
        if value.startswith((_AVRO_SINGLE_OBJECT, _CONFLUENT)):
            return True
        return b'"entity"' in value and (b'"kind"' in value or b'"metrics"' in value or b'"attributes"' in value)

    def decode(self, values: Sequence[bytes]) -> tuple[Events, list[Fault]]:
        return decode_events(values)
