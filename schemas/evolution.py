"""Datums of other writers' schemas, resolved to ours by Avro's rules."""

from __future__ import annotations

import io
from typing import Any

import fastavro

from schemas.catalog import Record, Schema
from schemas.faults import MALFORMED, UNKNOWN_SCHEMA, Unreadable
from schemas.foreign import Foreign


def resolved(datum: bytes, record: Record, writer: Schema, parsed: dict[int, Any]) -> bytes:
    """A datum written with `writer` as a datum of ours. Raises `Unreadable`.

    Times of another logical type (timestamp-millis) become ours; plain longs are taken for microseconds. `parsed`
    keeps parsed schemas of one batch.
    """
    schema = _parsed(writer, parsed)
    source = io.BytesIO(datum)
    try:
        found = fastavro.schemaless_reader(source, schema, dict(record.schema))
    except fastavro.read.SchemaResolutionError as error:
        raise Unreadable(UNKNOWN_SCHEMA, f"the writer's schema does not resolve to ours: {error}") from error
    except Exception as error:  # what damage makes of fastavro's reader is not a closed set
        raise Unreadable(MALFORMED, f"no datum of its schema: {error or type(error).__name__}") from error
    left = len(datum) - source.tell()
    if left:
        raise Unreadable(MALFORMED, f"{left} bytes are left over behind the datum")
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _parsed(record.schema, parsed), found)
    return out.getvalue()


def _parsed(schema: Schema, parsed: dict[int, Any]) -> Any:
    if id(schema) not in parsed:
        if Foreign(schema).recursive:  # see there: the compiled reader would end the process
            raise Unreadable(UNKNOWN_SCHEMA, "the writer's schema does not resolve to ours: it refers to itself")
        parsed[id(schema)] = fastavro.parse_schema(dict(schema))
    return parsed[id(schema)]
