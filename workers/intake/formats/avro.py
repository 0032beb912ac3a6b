"""Confluent-framed Avro of any schema that the registry knows: ours as it is, others' by the mapping of plain JSON.

A record is 00, the schema's id (four bytes, big endian) and the datum. One whose schema is `faultline.v1.Event` is a
canonical event. Any other is read as plain JSON is: its fields by their names, nested records by paths with dots;
`timestamp-millis` and `-micros` are times, decimals numbers, enumerations texts; bytes are texts where they are UTF-8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from schemas.catalog import record as ours
from schemas.columns import Events, Fault
from schemas.events import decode_events
from schemas.faults import INVALID, MALFORMED, UNKNOWN_SCHEMA, Unreadable
from schemas.foreign import Foreign
from schemas.framing import CONFLUENT, CONFLUENT_HEADER, Resolver, SchemaId
from workers.intake.formats.fields import FieldsFormat
from workers.intake.merging import merged

_EVENT = f"{ours('Event').schema['namespace']}.Event"
_MOST_KEPT = 1_000

_Known = Foreign | Unreadable
"""A schema, or why records that name it cannot be read."""


class AvroFormat:
    """`Format` of Confluent-framed Avro. `resolver` looks schemas up; None without a registry."""

    name = "avro"
    marks = (CONFLUENT,)

    def __init__(self, fields: FieldsFormat, resolver: Resolver | None) -> None:
        self._fields = fields
        self._resolver = resolver
        self._schemas: dict[int, Foreign] = {}

    def claims(self, value: bytes) -> bool:
        return value.startswith(CONFLUENT)

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        known: dict[int, _Known] = {}
        canonical: list[int] = []
        others: list[int] = []
        documents: list[dict[str, Any]] = []
        faults: list[Fault] = []
        for record, value in enumerate(values):
            try:
                schema = self._schema(value, known)
                if schema.name == _EVENT:
                    canonical.append(record)
                else:
                    documents.append(_document(schema, value))
                    others.append(record)
            except Unreadable as error:
                faults.append(Fault(record, error.error_class, error.message))
        tables = []
        for places, (found, wrong) in (
            (canonical, decode_events([values[record] for record in canonical], resolver=self._resolver)),
            (others, self._fields.read(documents)),
        ):
            if places:
                tables.append((np.array(places, np.int32), found))
                faults += [replace(fault, record=places[fault.record]) for fault in wrong]
        return merged(tables), sorted(faults, key=lambda fault: fault.record)

    def _schema(self, value: bytes, known: dict[int, _Known]) -> Foreign:
        """The schema that a value names. `known` has those of the batch, so that one nobody knows is asked for once.

        Raises `Unreadable`, and what the resolver raises where it cannot ask.
        """
        if len(value) < CONFLUENT_HEADER or not value.startswith(CONFLUENT):
            raise Unreadable(MALFORMED, "no Confluent framing: 00, four bytes with the schema's id, the datum")
        number = int.from_bytes(value[1:CONFLUENT_HEADER], "big")
        found = self._schemas.get(number) or known.get(number)
        if found is None:
            try:
                found = self._schemas[number] = self._asked(SchemaId(number))
            except Unreadable as error:
                found = known[number] = error
            if len(self._schemas) > _MOST_KEPT:
                self._schemas.clear()
        if isinstance(found, Unreadable):
            raise found
        return found

    def _asked(self, writer: SchemaId) -> Foreign:
        if self._resolver is None:
            raise Unreadable(UNKNOWN_SCHEMA, f"framed with {writer}; set FAULTLINE_SCHEMA_REGISTRY__URL to look it up")
        schema = self._resolver(writer)
        if schema is None:
            raise Unreadable(UNKNOWN_SCHEMA, f"the schema registry has no {writer}; register it, and replay the record")
        return Foreign(schema)


def _document(schema: Foreign, value: bytes) -> dict[str, Any]:
    found = schema.read(value[CONFLUENT_HEADER:])
    if not isinstance(found, dict):
        raise Unreadable(INVALID, "the datum is neither a record nor a map; send one record of named fields")
    return found if schema.plain else {name: _plain(entry) for name, entry in found.items()}


def _plain(value: Any) -> Any:
    """A value as JSON might have it; a `datetime` stays one."""
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (date, time)) and not isinstance(value, datetime):
        return value.isoformat()
    return value
