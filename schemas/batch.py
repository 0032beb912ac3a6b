"""The values of a batch put end to end, each told by its form and by the schema that it was written with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.catalog import Record, Schema, canonical
from schemas.columns import Fault
from schemas.evolution import resolved
from schemas.faults import NULL_VALUE, UNKNOWN_FORM, UNKNOWN_SCHEMA, Unreadable
from schemas.framing import Fingerprint, Resolver, SchemaId, Writer
from schemas.kernels.forms import CONFLUENT, EMPTY, JSON, OTHER, SINGLE, forms
from schemas.kernels.text import PADDING


@dataclass(frozen=True, slots=True)
class Texts:
    """Byte strings put end to end: string i is `raw[starts[i]:ends[i]]`, and `buf` is `raw` as an array."""

    raw: bytes
    buf: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, values: Sequence[bytes | None]) -> Texts:
        """None becomes an empty string."""
        filled = [value or b"" for value in values]
        raw = b"".join([*filled, PADDING])
        edges = np.zeros(len(filled) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, filled), np.int64, len(filled)), out=edges[1:])
        return cls(raw, np.frombuffer(raw, np.uint8), edges[:-1], edges[1:])


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch sorted out. `own`, `other` and `json` are record numbers, ascending; every other record is in `faults`.

    `own` are Avro datums of our schema, from `datum[i]` on; `other` datums of the schemas in `schema`.
    """

    texts: Texts
    datum: NDArray[np.int64]
    own: NDArray[np.int64]
    other: NDArray[np.int64]
    json: NDArray[np.int64]
    schema: dict[int, Schema]
    faults: list[Fault]

    def value(self, number: int) -> bytes:
        """The whole value of a record."""
        return self.texts.raw[int(self.texts.starts[number]) : int(self.texts.ends[number])]

    def datum_of(self, number: int, record: Record, parsed: dict[int, Any]) -> bytes:
        """An Avro record's datum, by our schema. `parsed` keeps other writers' schemas. Raises `Unreadable`."""
        datum = self.texts.raw[int(self.datum[number]) : int(self.texts.ends[number])]
        writer = self.schema.get(number)
        return datum if writer is None else resolved(datum, record, writer, parsed)


def sort_out(values: Sequence[bytes | None], record: Record, resolver: Resolver | None) -> Batch:
    """The batch of records of one kind, by form and schema."""
    texts = Texts.of(values)
    form, writer, datum = forms(texts.buf, texts.starts, texts.ends)
    own = (form == SINGLE) & (writer == np.uint64(record.fingerprint.value))
    schema: dict[int, Schema] = {}
    faults: list[Fault] = []
    strangers = np.flatnonzero(((form == SINGLE) | (form == CONFLUENT)) & ~own)
    if len(strangers):
        _look_up(strangers, form, writer, own, schema, faults, record, resolver)
    nothing = np.flatnonzero((form == EMPTY) | (form == OTHER)).tolist()
    faults += [_nothing_known(i, values[i]) for i in nothing]
    return Batch(
        texts,
        datum,
        np.flatnonzero(own),
        np.fromiter(schema, np.int64, len(schema)),
        np.flatnonzero(form == JSON),
        schema,
        faults,
    )


def _look_up(
    strangers: NDArray[np.intp],
    form: NDArray[np.int8],
    writer: NDArray[np.uint64],
    own: NDArray[np.bool_],
    schema: dict[int, Schema],
    faults: list[Fault],
    record: Record,
    resolver: Resolver | None,
) -> None:
    """Mark the datums that are of our schema under another name; note the schemas and faults of the others."""
    known: dict[Writer, tuple[Schema | None, bool] | Unreadable] = {}
    for i in strangers.tolist():
        number = int(writer[i])
        name: Writer = Fingerprint(number) if form[i] == SINGLE else SchemaId(number)
        if name not in known:
            known[name] = _asked(name, record, resolver)
        answer = known[name]
        if isinstance(answer, Unreadable):
            faults.append(Fault(i, answer.error_class, answer.message))
            continue
        found, ours = answer
        if found is None:
            faults.append(Fault(i, UNKNOWN_SCHEMA, _unknown(name, record)))
        elif ours:
            own[i] = True
        else:
            schema[i] = found


def _asked(name: Writer, record: Record, resolver: Resolver | None) -> tuple[Schema | None, bool] | Unreadable:
    """A writer's schema, and whether it is ours."""
    try:
        asked = resolver(name) if resolver is not None else None
    except Unreadable as error:
        return error
    try:
        return asked, asked is not None and canonical(asked)[1] == record.fingerprint
    except Exception as error:  # what a wrong schema makes of the library is not a closed set
        return Unreadable(UNKNOWN_SCHEMA, f"{name} is no Avro schema: {error!r}")


def _unknown(name: Writer, record: Record) -> str:
    return f"written with {name}, which is not known here; {record.name} has {record.fingerprint}"


def _nothing_known(record: int, value: bytes | None) -> Fault:
    if value is None:
        return Fault(record, NULL_VALUE, "the record has no value")
    if not value:
        return Fault(record, NULL_VALUE, "the record's value is empty")
    return Fault(
        record,
        UNKNOWN_FORM,
        f"neither a JSON object nor Avro with a schema in front; it begins with {value[:8].hex(' ')}",
    )
