"""Feature vectors: blocks of one profile and feature set to bytes and back."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import fastavro
import numpy as np
import orjson
from numpy.typing import NDArray

from schemas.batch import Texts, sort_out
from schemas.catalog import record
from schemas.columns import Fault, Vectors
from schemas.faults import INVALID, MALFORMED, Unreadable
from schemas.framing import Resolver, Writer
from schemas.kernels.codes import explain
from schemas.kernels.vector_avro import FIELDS, read_vectors
from schemas.kernels.vector_avro_out import write_vectors
from schemas.shapes import FROM_JSON, TO_AVRO, shape
from schemas.texts_out import EncodedTexts, array_bytes, long_bytes, sliced, text_bytes
from schemas.times import MAX_TIME, MIN_TIME, format_times
from schemas.vector_blocks import VectorTable, blocks, joined

_VECTOR = record("Vector")
_LONG = 10


def encode_vectors(
    vectors: Vectors, framing: Writer | None = None, *, form: Literal["avro", "json"] = "avro"
) -> list[bytes]:
    """One value per row, in order. `framing` names the Avro schema otherwise than by our fingerprint.

    Every NaN becomes the same bytes. Raises `ValueError` for what `decode_vectors` would refuse: an infinite value, an
    empty entity, times outside the years 1 to 9999.
    """
    check(vectors)
    return _json_values(vectors) if form == "json" else _avro_values(vectors, framing)


def decode_vectors(
    values: Sequence[bytes | None], *, resolver: Resolver | None = None
) -> tuple[list[Vectors], list[Fault]]:
    """The vectors of a batch, and a fault for every record that is none (`faults.ERROR_CLASSES`), by record.

    A block holds the vectors of one profile, version, feature set, list of names and number of values, in record
    order; `at` are record numbers. Blocks are in the order of their first records. Forms may be mixed, as for events.
    """
    batch = sort_out(values, _VECTOR, resolver)
    texts, faults = batch.texts, batch.faults
    table = _read(texts, batch.datum[batch.own], texts.ends[batch.own], batch.own, faults)
    others = np.sort(np.concatenate([batch.json, batch.other]))
    if len(others):
        datums, which = [], []
        parsed: dict[int, Any] = {}
        for number in others.tolist():
            try:
                foreign = number in batch.schema
                value = batch.datum_of(number, _VECTOR, parsed) if foreign else _datum_of_json(batch.value(number))
                datums.append(value)
                which.append(number)
            except Unreadable as error:
                faults.append(Fault(number, error.error_class, error.message))
        more = Texts.of(datums)
        table = joined(table, _read(more, more.starts, more.ends, np.array(which, np.int64), faults))
    faults.sort(key=lambda fault: fault.record)
    return blocks(table), faults


def vectors_from_dicts(records: Sequence[Mapping[str, Any]]) -> list[Vectors]:
    """Blocks of vectors given as mappings; `at` counts the mappings. Raises `ValueError`, saying which and why."""
    datums = []
    for number, mapping in enumerate(records):
        try:
            datums.append(_datum(shape("Vector", TO_AVRO)(mapping)))
        except Unreadable as error:
            raise ValueError(f"vector {number}: {error.message}") from None
    texts, faults = Texts.of(datums), list[Fault]()
    table = _read(texts, texts.starts, texts.ends, np.arange(len(datums)), faults)
    for fault in faults:
        raise ValueError(f"vector {fault.record}: {fault.message}")
    return blocks(table)


def vectors_to_dicts(vectors: Vectors) -> list[dict[str, Any]]:
    """One mapping per row, with the fields of the schema; times are epoch microseconds, missing values NaN."""
    columns = {
        "window_start": vectors.window_start,
        "window_end": vectors.window_end,
        "values": vectors.values,
        "sequence": vectors.sequence,
        "event_count": vectors.event_count,
        "late_count": vectors.late_count,
        "skewed_count": vectors.skewed_count,
        "silent": vectors.silent,
        "retired": vectors.retired,
        "regular": vectors.regular,
    }
    rows = zip(*[column.tolist() for column in columns.values()], strict=True)
    shared = {
        "profile": vectors.profile,
        "profile_version": vectors.profile_version,
        "feature_set": vectors.feature_set,
        "names": list(vectors.names),
    }
    return [
        {"entity": entity, **shared, **dict(zip(columns, row, strict=True))}
        for entity, row in zip(vectors.entity, rows, strict=True)
    ]


def check(vectors: Vectors) -> None:
    """Raises `ValueError` where columns hold what no vector can."""
    if np.isinf(vectors.values).any():
        raise ValueError("vectors.values: infinite")
    if vectors.names and len(vectors.names) != vectors.values.shape[1]:
        raise ValueError(f"vectors.names: {len(vectors.names)} names for {vectors.values.shape[1]} values")
    if not vectors.profile or "" in vectors.entity:
        raise ValueError("vectors: an entity or the profile is empty")
    for name, times in (("window_start", vectors.window_start), ("window_end", vectors.window_end)):
        if len(times) and not (times.min() >= MIN_TIME and times.max() <= MAX_TIME):
            raise ValueError(f"vectors.{name}: outside the years 1 to 9999")
    for name in ("sequence", "event_count", "late_count", "skewed_count"):
        if (getattr(vectors, name) < 0).any():
            raise ValueError(f"vectors.{name}: negative")


def _avro_values(vectors: Vectors, framing: Writer | None) -> list[bytes]:
    texts = EncodedTexts()
    texts.add_piece((framing or _VECTOR.fingerprint).header)
    texts.add_piece(text_bytes(vectors.profile) + long_bytes(vectors.profile_version))
    texts.add_piece(text_bytes(vectors.feature_set) + array_bytes(vectors.names))
    entity = texts.rows(vectors.entity)
    raw, edges = texts.joined()
    sizes = np.diff(edges)
    n, width = vectors.values.shape
    room = int(sizes[entity].sum()) + n * (int(sizes[:3].sum()) + 7 * _LONG + 8 * width + 4)
    values = np.where(np.isnan(vectors.values), np.nan, vectors.values)
    numbers = [vectors.sequence, vectors.event_count, vectors.late_count, vectors.skewed_count]
    flags = [vectors.silent, vectors.retired, vectors.regular]
    out, starts = write_vectors(
        room,
        raw,
        edges,
        entity,
        vectors.window_start,
        vectors.window_end,
        np.ascontiguousarray(values).view(np.uint64),
        np.stack(numbers, axis=1),
        np.stack(flags, axis=1),
    )
    return sliced(out, starts)


def _json_values(vectors: Vectors) -> list[bytes]:
    documents = vectors_to_dicts(vectors)
    starts, ends = format_times(vectors.window_start), format_times(vectors.window_end)
    for document, start, end in zip(documents, starts, ends, strict=True):
        document["window_start"], document["window_end"] = start, end
    return [orjson.dumps(document) for document in documents]


def _read(
    texts: Texts, starts: NDArray[np.int64], ends: NDArray[np.int64], which: NDArray[np.int64], faults: list[Fault]
) -> VectorTable:
    status, rows, values = read_vectors(texts.buf, starts, ends, which)
    failed = np.flatnonzero(status).tolist()
    faults += [Fault(int(which[i]), *explain(int(status[i]), FIELDS)) for i in failed]
    return VectorTable(texts.raw, rows, values)


def _datum_of_json(value: bytes) -> bytes:
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Unreadable(MALFORMED, f"no JSON: {error}") from error
    return _datum(shape("Vector", FROM_JSON)(document))


def _datum(fields: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    try:
        fastavro.schemaless_writer(out, dict(_VECTOR.raw), fields)
    except UnicodeEncodeError as error:
        raise Unreadable(INVALID, f"a text is not Unicode: {error.reason}") from error
    return out.getvalue()
