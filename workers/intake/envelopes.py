"""CloudEvents in the binary mode of the Kafka binding: the envelope is in headers, the value is the data alone."""

from __future__ import annotations

import orjson

from workers.runtime.records import Headers

_PREFIX = "ce_"
_VERSION = "ce_specversion"
_DATA = ("data", "data_base64")


def structured(headers: Headers | None, value: bytes) -> bytes | None:
    """The event in JSON's structured mode; None where there is no envelope in the headers.

    Nor is there one for data that are no JSON object or list, or that are an event themselves. What begins like one and
    is none stays damaged: `formats.cloudevents` refuses it.
    """
    if not headers or not any(name == _VERSION for name, _ in headers):
        return None
    if value.lstrip()[:1] not in (b"{", b"[") or b'"specversion"' in value:
        return None
    said = {
        name.removeprefix(_PREFIX): (text or b"").decode("utf-8", "replace")
        for name, text in headers
        if name.startswith(_PREFIX)
    }
    event = {name: text for name, text in said.items() if name not in _DATA}
    return orjson.dumps({**event, "data": orjson.Fragment(value)})
