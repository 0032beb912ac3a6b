"""CloudEvents in JSON's structured mode: the data are read as plain JSON, and the envelope lends what they lack.

`{"specversion": "1.0", "type": "…", "source": "/shop/checkout", "id": "…", "time": "…", "data": {…}}`, or a batch: a
list of such. Where the data name no service it is the last part of `source`; where they have no time it is the
envelope's. Data may be a JSON object or a list of such, each an event; the text of one, or its bytes in `data_base64`.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Fault
from workers.intake.formats.fields import FieldsFormat, parsed
from workers.intake.mapping import Mapping


class CloudEventsFormat:
    """`Format` of CloudEvents 1.0, single or in batches. A batch with one event that is refused is so as a whole."""

    name = "cloudevents"
    marks = (b'"specversion"',)
    mistakable: Literal[True] = True

    def __init__(self, mapping: Mapping, fields: FieldsFormat) -> None:
        self._fields = fields
        self._time = mapping.timestamp.paths[0]
        self._service = next(iter(mapping.attributes.get("service", ())), "")

    def claims(self, value: bytes) -> bool:
        return value[:1] in (b"{", b"[") and b'"specversion"' in value and b'"source"' in value

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        batches = [_events(parsed(value)) for value in values]
        events, owners, faults = self._read(dict(enumerate(batches)))
        if faults:  # their other events must not stay
            good = {record: batch for record, batch in enumerate(batches) if record not in faults}
            events, owners, _ = self._read(good)
        records = np.array(owners, np.int32)[events.record] if owners else events.record
        return replace(events, record=records), [faults[record] for record in sorted(faults)]

    def _read(self, batches: dict[int, list[Any]]) -> tuple[Events, list[int], dict[int, Fault]]:
        """Events by the place of their document; the record of each document; the first fault of each record."""
        read = [(record, one) for record, batch in batches.items() for event in batch for one in self._unwrapped(event)]
        owners, documents = [record for record, _ in read], [one for _, one in read]
        events, found = self._fields.read(documents)
        faults: dict[int, Fault] = {}
        for fault in found:
            record = owners[fault.record]
            faults.setdefault(record, Fault(record, fault.error_class, fault.message))
        return events, owners, faults

    def _unwrapped(self, event: Any) -> list[Any]:
        """The data as plain JSON: of a list, each. What is no CloudEvent passes as it is, and is told of as such."""
        if not isinstance(event, dict):
            return [event]
        data = _data(event)
        several = data if isinstance(data, list) and data else [data]
        if not all(isinstance(one, dict) for one in several):
            return [event]
        source = str(event.get("source", "")).rstrip("/").rpartition("/")[2]
        said = {self._time: event.get("time"), self._service: source}
        lent = {name: text for name, text in said.items() if name and text}
        return [{**lent, **one} for one in several]


def _events(document: Any) -> list[Any]:
    return document if isinstance(document, list) else [document]


def _data(event: dict[str, Any]) -> Any:
    """The data, read where they are text or base64; whatever else there is where that cannot be done."""
    data = event.get("data")
    if data is None and isinstance(event.get("data_base64"), str):
        try:
            data = b64decode(event["data_base64"], validate=True)
        except ValueError:
            return None
    return parsed(data) if isinstance(data, str | bytes) else data
