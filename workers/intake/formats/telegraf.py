"""Telegraf's JSON output: one metric a record, or a batch of them under `metrics`.

`{"name": "cpu", "tags": {"host": "a", "cpu": "cpu0"}, "fields": {"usage_user": 1.5}, "timestamp": 1772366400}`. The
timestamp counts what `json_timestamp_units` says (seconds by default), and is told by its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import orjson

from schemas.columns import GAUGE
from schemas.faults import INVALID, MALFORMED, Unreadable, shown
from workers.intake.formats.machine import Point, PointFormat, number
from workers.intake.moments import reader

_time = reader("auto")


class TelegrafFormat(PointFormat):
    """A metric is `<name>_<field>`, with the tags that do not say whose it is."""

    name = "telegraf"
    marks = (b'"fields"',)
    mistakable: Literal[True] = True

    def claims(self, value: bytes) -> bool:
        if value[:1] != b"{" or b'"fields"' not in value or b'"tags"' not in value or b'"name"' not in value:
            return False
        return b'"@timestamp"' not in value  # Beats' documents, to which people may add tags and fields

    def points(self, value: bytes, arrived: int) -> Iterator[Point]:
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise Unreadable(MALFORMED, f"not JSON ({error})") from error
        if not isinstance(document, dict):
            raise Unreadable(INVALID, "not a JSON object")
        batch = document.get("metrics")
        for one in batch if isinstance(batch, list) else [document]:
            yield _point(one)


def _point(one: Any) -> Point:
    if not isinstance(one, dict):
        raise Unreadable(INVALID, "metrics holds something that is no object")
    name, fields, tags = one.get("name"), one.get("fields"), one.get("tags", {})
    if not isinstance(name, str) or not isinstance(fields, Mapping) or not isinstance(tags, Mapping):
        raise Unreadable(INVALID, "a metric has a name (text), fields and tags (objects)")
    try:
        time = _time(one.get("timestamp"))
    except (ValueError, OverflowError) as error:
        raise Unreadable(INVALID, f"timestamp {shown(str(one.get('timestamp')))} {error}") from error
    numbers = [(f"{name}_{field}", number(field, value)) for field, value in fields.items()]
    metrics = [(field, value, GAUGE) for field, value in numbers if value is not None]
    return Point(time, {str(tag): str(text) for tag, text in tags.items()}, metrics, name)
