"""The values of a batch to one table of events, whatever their forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.batch import Batch, Texts, sort_out
from schemas.catalog import record
from schemas.columns import Fault
from schemas.event_json import datum_of_json
from schemas.event_table import EventTable, joined
from schemas.faults import KEY_MISMATCH, TOO_LARGE, Unreadable, shown
from schemas.framing import Resolver
from schemas.kernels.codes import explain
from schemas.kernels.event_avro import FIELDS, read_events
from schemas.kernels.event_json import read_json_events
from schemas.kernels.keys import keys_fit
from schemas.kernels.layout import ENTITY, RECORD
from schemas.limits import Limits

Found = tuple[bytes, NDArray[np.uint8], EventTable]
"""The bytes that a table's spans point into, as bytes and as an array, and the table."""

_EVENT = record("Event")


def read(
    values: Sequence[bytes | None], keys: Sequence[bytes | None] | None, limits: Limits, resolver: Resolver | None
) -> tuple[Found, list[Fault]]:
    """The events of a batch in record order, and its faults by record."""
    batch = sort_out(values, _EVENT, resolver)
    texts, faults = batch.texts, batch.faults
    tables = [_avro(texts, batch.datum[batch.own], texts.ends[batch.own], batch.own, limits, faults)]
    left = np.empty(0, np.int64)
    if len(batch.json):
        plain, left = _json(texts, batch.json, limits)
        tables.append(plain)
    raw, buf = texts.raw, texts.buf
    if len(left) or len(batch.other):
        datums, which = _thorough(batch, left, faults)
        tables.append(_avro(datums, datums.starts, datums.ends, which, limits, faults).shifted(len(raw)))
        raw += datums.raw
        buf = np.frombuffer(raw, np.uint8)
    table = joined(tables)
    if keys is not None:
        table = _keyed(raw, buf, table, keys, faults)
    faults.sort(key=lambda fault: fault.record)
    return (raw, buf, table), faults


def table_of(datums: Sequence[bytes], limits: Limits) -> tuple[Found, list[Fault]]:
    """The events of Avro datums of ours, with nothing in front of them."""
    texts, faults = Texts.of(datums), list[Fault]()
    table = _avro(texts, texts.starts, texts.ends, np.arange(len(datums)), limits, faults)
    return (texts.raw, texts.buf, table), faults


def _numbers(limits: Limits) -> NDArray[np.int64]:
    """As `kernels/layout.py` places them."""
    return np.array(
        [limits.entity, limits.name, limits.text, limits.attributes, limits.metrics, limits.buckets], np.int64
    )


def _avro(
    texts: Texts,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    which: NDArray[np.int64],
    limits: Limits,
    faults: list[Fault],
) -> EventTable:
    found = read_events(texts.buf, starts, ends, which, _numbers(limits))
    status = found[0]
    for i in np.flatnonzero(status).tolist():
        error_class, message = explain(int(status[i]), FIELDS)
        if error_class == TOO_LARGE:
            message += f" ({_limit(message, limits)})"
        faults.append(Fault(int(which[i]), error_class, message))
    return EventTable(*found[1:])


def _limit(message: str, limits: Limits) -> int:
    """The limit of the field that a message begins with."""
    field = message.rpartition(":")[0]
    whole = {
        "entity": limits.entity,
        "attributes": limits.attributes,
        "attributes: a value": limits.text,
        "metrics": limits.metrics,
        "distributions": limits.metrics,
        "distributions: bounds": limits.buckets,
        "distributions: counts": limits.buckets,
    }
    return whole.get(field, limits.name)


def _json(texts: Texts, which: NDArray[np.int64], limits: Limits) -> tuple[EventTable, NDArray[np.int64]]:
    """The events that are written plainly, and the numbers of the records that are not."""
    found = read_json_events(texts.buf, texts.starts[which], texts.ends[which], which, _numbers(limits))
    return EventTable(*found[1:]), which[~found[0]]


def _thorough(batch: Batch, json: NDArray[np.int64], faults: list[Fault]) -> tuple[Texts, NDArray[np.int64]]:
    """Datums of ours for JSON that needs a second look and for Avro of other writers."""
    datums, which = [], []
    parsed: dict[int, Any] = {}
    for record_number in sorted([*json.tolist(), *batch.other.tolist()]):
        try:
            if record_number in batch.schema:
                datums.append(batch.datum_of(record_number, _EVENT, parsed))
            else:
                datums.append(datum_of_json(batch.value(record_number)))
            which.append(record_number)
        except Unreadable as error:
            faults.append(Fault(record_number, error.error_class, error.message))
    return Texts.of(datums), np.array(which, np.int64)


def _keyed(
    raw: bytes, buf: NDArray[np.uint8], table: EventTable, keys: Sequence[bytes | None], faults: list[Fault]
) -> EventTable:
    """The events whose key is their entity; the others are faults."""
    texts = Texts.of(keys)
    starts, lengths, which = (np.ascontiguousarray(table.rows[:, c]) for c in (ENTITY, ENTITY + 1, RECORD))
    fit = keys_fit(buf, starts, lengths, texts.buf, texts.starts, texts.ends, which)
    if fit.all():
        return table
    for row in np.flatnonzero(~fit).tolist():
        entity = raw[starts[row] : starts[row] + lengths[row]].decode()
        key = keys[which[row]]
        said = "no key" if key is None else f"the key {shown(key.decode(errors='backslashreplace'))}"
        faults.append(Fault(int(which[row]), KEY_MISMATCH, f"{said}, but the entity is {shown(entity)}"))
    return table.taken(np.flatnonzero(fit))
