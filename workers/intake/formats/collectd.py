"""collectd's JSON, as its plugins write_kafka and write_http write it: a list of value lists.

`[{"values": [1.5], "dstypes": ["gauge"], "dsnames": ["value"], "time": 1772366400.123, "host": "a",
"plugin": "cpu", "plugin_instance": "0", "type": "cpu", "type_instance": "user"}]`. Types `counter` and `derive` are
cumulative; `absolute` is reset when read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from schemas.columns import COUNTER, DELTA, GAUGE
from schemas.faults import INVALID, MALFORMED, Unreadable, shown
from workers.intake.event_rows import Metric
from workers.intake.formats.machine import Point, PointFormat, number
from workers.intake.moments import reader

_TYPES = {"gauge": GAUGE, "counter": COUNTER, "derive": COUNTER, "absolute": DELTA}
_time = reader("s")


class CollectdFormat(PointFormat):
    """A metric is `<plugin>_<type>_<type instance>`, then the data source unless it is `value`; the instance of the
    plugin is a label."""

    name = "collectd"
    marks = (b'"dstypes"',)

    def claims(self, value: bytes) -> bool:
        return value.lstrip()[:1] in (b"[", b"{") and b'"dstypes"' in value and b'"dsnames"' in value

    def points(self, value: bytes, arrived: int) -> Iterator[Point]:
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise Unreadable(MALFORMED, f"not JSON ({error})") from error
        for one in document if isinstance(document, list) else [document]:
            yield _point(one)


def _point(one: Any) -> Point:
    if not isinstance(one, dict):
        raise Unreadable(INVALID, "a value list is an object")
    values, types, names = one.get("values"), one.get("dstypes"), one.get("dsnames")
    if not (isinstance(values, list) and isinstance(types, list) and isinstance(names, list)):
        raise Unreadable(INVALID, "a value list has values, dstypes and dsnames (lists)")
    if not len(values) == len(types) == len(names):
        raise Unreadable(INVALID, f"{len(values)} values, {len(types)} dstypes and {len(names)} dsnames do not fit")
    try:
        time = _time(one.get("time"))
    except (ValueError, OverflowError) as error:
        raise Unreadable(INVALID, f"time {shown(str(one.get('time')))} {error}") from error
    parts = [str(one.get(part) or "") for part in ("plugin", "type", "type_instance")]
    if parts[0] == parts[1]:
        del parts[0]
    metrics: list[Metric] = []
    for value, kind, name in zip(values, types, names, strict=True):
        if not isinstance(kind, str) or kind not in _TYPES:
            raise Unreadable(INVALID, f"dstypes holds {shown(str(kind))}; there are {', '.join(_TYPES)}")
        whole = "_".join(part for part in (*parts, "" if name == "value" else str(name)) if part)
        found = number(whole, value)  # null: not read this time
        if found is not None:
            metrics.append((whole, found, _TYPES[kind]))
    tags = {"host": str(one.get("host") or ""), "instance": str(one.get("plugin_instance") or "")}
    return Point(time, tags, metrics)
