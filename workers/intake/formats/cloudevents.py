"""CloudEvents in JSON's structured mode: the data are read as plain JSON, and the envelope lends what they lack.

`{"specversion": "1.0", "type": "…", "source": "/shop/checkout", "id": "…", "time": "…", "data": {…}}`. Where the data
name no service it is the last part of `source`; where they have no time it is the envelope's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Fault
from workers.intake.formats.fields import FieldsFormat, parsed
from workers.intake.mapping import Mapping


class CloudEventsFormat:
    """`Format` of CloudEvents 1.0; single events, not batches."""

    name = "cloudevents"
    marks = (b'"specversion"',)
    mistakable: Literal[True] = True

    def __init__(self, mapping: Mapping, fields: FieldsFormat) -> None:
        self._fields = fields
        self._time = mapping.timestamp.paths[0]
        self._service = next(iter(mapping.attributes.get("service", ())), "")

    def claims(self, value: bytes) -> bool:
        return value[:1] == b"{" and b'"specversion"' in value and b'"source"' in value

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        return self._fields.read([self._unwrapped(parsed(value)) for value in values])

    def _unwrapped(self, event: Any) -> Any:
        """The data as plain JSON. What is no CloudEvent passes as it is, and is told of as plain JSON."""
        if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
            return event
        source = str(event.get("source", "")).rstrip("/").rpartition("/")[2]
        said = {self._time: event.get("time"), self._service: source}
        return {**{name: text for name, text in said.items() if name and text}, **event["data"]}
