"""The records that are few enough to be mappings: scores, incidents, groups, control, drift; for tools any other.

In mappings times are epoch microseconds on both sides; JSON shows RFC 3339. A `Control` record's body is a mapping;
Avro holds it as JSON text. Missing numbers are NaN; JSON shows null.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import fastavro
import orjson

from schemas.batch import Batch, sort_out
from schemas.catalog import Record, record
from schemas.columns import Fault
from schemas.events import decode_events, encode_events, events_from_dicts, events_to_dicts
from schemas.faults import INVALID, MALFORMED, Unreadable
from schemas.framing import Resolver, Writer
from schemas.shapes import FROM_AVRO, FROM_JSON, TO_AVRO, TO_JSON, shape
from schemas.vectors import decode_vectors, encode_vectors, vectors_from_dicts, vectors_to_dicts

Form = Literal["json", "avro"]


def encode(
    name: str,
    records: Sequence[Mapping[str, Any]],
    form: Form = "json",
    framing: Writer | None = None,
) -> list[bytes]:
    """One value per record of that name (`catalog.NAMES`), in order.

    Fields with a default may be left out; an event has the shape that `events.events_to_dicts` gives. `framing` names
    the Avro schema otherwise than by our fingerprint. Raises `ValueError` for a record that is not of its kind, saying
    which field and why.
    """
    if name == "Event":
        return encode_events(events_from_dicts(records), framing, form=form)
    if name == "Vector":
        values: list[bytes] = [b""] * len(records)
        for vectors in vectors_from_dicts(records):
            for at, value in zip(vectors.at.tolist(), encode_vectors(vectors, framing, form=form), strict=True):
                values[at] = value
        return values
    known = record(name)
    one = _json if form == "json" else _avro
    encoded = []
    for number, mapping in enumerate(records):
        try:
            encoded.append(one(known, mapping, framing))
        except Unreadable as error:
            raise ValueError(f"{name} {number}: {error.message}") from None
    return encoded


def decode(
    name: str, values: Sequence[bytes | None], *, resolver: Resolver | None = None
) -> tuple[list[dict[str, Any] | None], list[Fault]]:
    """One mapping per value, None where there is a fault; faults by record, naming the field and what was expected.

    JSON, Avro single-object encoding and Confluent framing may be mixed. Fields that a record does not have here are
    ignored. `resolver` looks up schemas of other writers.
    """
    if name == "Event":
        events, faults = decode_events(values, resolver=resolver)
        return _placed(len(values), events.record.tolist(), events_to_dicts(events)), faults
    if name == "Vector":
        blocks, faults = decode_vectors(values, resolver=resolver)
        places = [at for vectors in blocks for at in vectors.at.tolist()]
        return _placed(len(values), places, [row for vectors in blocks for row in vectors_to_dicts(vectors)]), faults
    known = record(name)
    batch = sort_out(values, known, resolver)
    places, found, faults = [], [], list(batch.faults)
    parsed: dict[int, Any] = {}
    json = set(batch.json.tolist())
    for number in sorted([*batch.own.tolist(), *batch.other.tolist(), *json]):
        try:
            found.append(
                _document(batch.value(number), known) if number in json else _datum(batch, number, known, parsed)
            )
            places.append(number)
        except Unreadable as error:
            faults.append(Fault(number, error.error_class, error.message))
    faults.sort(key=lambda fault: fault.record)
    return _placed(len(values), places, found), faults


def _placed(count: int, places: Sequence[int], found: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
    records: list[dict[str, Any] | None] = [None] * count
    for place, one in zip(places, found, strict=True):
        records[place] = one
    return records


def _json(known: Record, mapping: Mapping[str, Any], _: Writer | None) -> bytes:
    try:
        return orjson.dumps(shape(known.name, TO_JSON)(mapping), option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise Unreadable(INVALID, str(error)) from error


def _avro(known: Record, mapping: Mapping[str, Any], framing: Writer | None) -> bytes:
    out = io.BytesIO()
    out.write((framing or known.fingerprint).header)
    try:
        fastavro.schemaless_writer(out, dict(known.raw), shape(known.name, TO_AVRO)(mapping))
    except UnicodeEncodeError as error:
        raise Unreadable(INVALID, f"a text is not Unicode: {error.reason}") from error
    return out.getvalue()


def _document(value: bytes, known: Record) -> dict[str, Any]:
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Unreadable(MALFORMED, f"no JSON: {error}") from error
    return shape(known.name, FROM_JSON)(document)


def _datum(batch: Batch, number: int, known: Record, parsed: dict[int, Any]) -> dict[str, Any]:
    datum = batch.datum_of(number, known, parsed)
    source = io.BytesIO(datum)
    try:
        found = fastavro.schemaless_reader(source, dict(known.raw), None)
    except Exception as error:  # what damage makes of fastavro's reader is not a closed set
        raise Unreadable(MALFORMED, f"no datum of {known.name}: {error or type(error).__name__}") from error
    left = len(datum) - source.tell()
    if left:
        raise Unreadable(MALFORMED, f"{left} bytes are left over behind the datum of {known.name}")
    return shape(known.name, FROM_AVRO)(found)
