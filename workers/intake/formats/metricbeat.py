"""Metricbeat's documents (Elastic Common Schema): the numbers under the module's own object.

`{"@timestamp": "2026-…Z", "event": {"module": "system", "dataset": "system.network"}, "metricset": {"name": "network"},
"host": {"name": "a"}, "system": {"network": {"name": "eth0", "in": {"bytes": 17}}}}` is
`system_network_in_bytes{name=eth0}` of the host a, a counter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import orjson

from schemas.columns import COUNTER, GAUGE
from schemas.faults import INVALID, MALFORMED, Unreadable, shown
from workers.intake.event_rows import Metric
from workers.intake.formats.machine import Point, PointFormat, number
from workers.intake.moments import reader

_LABELS = frozenset({"name", "device_name", "mount_point", "id"})
"""Fields below the module's object that tell metrics of one name apart."""

_COUNTERS = (
    "system_network_in_*",
    "system_network_out_*",
    "system_diskio_read_*",
    "system_diskio_write_*",
    "system_diskio_io_time",
    "docker_network_inbound_*",
    "docker_network_outbound_*",
    "*_ticks",
)
_WHOSE = {
    "host": ("host", "name"),
    "service": ("service", "name"),
    "env": ("service", "environment"),
    "namespace": ("kubernetes", "namespace"),
    "process": ("process", "name"),
}
_DEEPEST = 12

_time = reader("rfc3339")


class MetricbeatFormat(PointFormat):
    """A metric is the path of its number joined by `_`; `pct`, a share of one, becomes `ratio`."""

    name = "metricbeat"
    marks = (b'"metricset"',)

    def claims(self, value: bytes) -> bool:
        return value[:1] == b"{" and b'"metricset"' in value and b'"@timestamp"' in value

    def points(self, value: bytes, arrived: int) -> Iterator[Point]:
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise Unreadable(MALFORMED, f"not JSON ({error})") from error
        if not isinstance(document, dict):
            raise Unreadable(INVALID, "not a JSON object")
        try:
            time = _time(document.get("@timestamp"))
        except (ValueError, OverflowError) as error:
            raise Unreadable(INVALID, f"@timestamp {shown(str(document.get('@timestamp')))} {error}") from error
        module = _text(document, ("event", "module")) or _text(document, ("event", "dataset")).partition(".")[0]
        body = document.get(module)
        if not isinstance(body, dict):
            raise Unreadable(INVALID, f"event.module is {shown(module)}, and there is no object of that name")
        tags = {name: _text(document, path) for name, path in _WHOSE.items()}
        metrics: list[Metric] = []
        _gather(module, body, tags, metrics, 0)
        yield Point(time, tags, metrics)


def _gather(path: str, body: Mapping[str, Any], tags: dict[str, str], metrics: list[Metric], depth: int) -> None:
    for key, value in body.items():
        if isinstance(value, dict):
            if depth < _DEEPEST:
                _gather(f"{path}_{key}", value, tags, metrics, depth + 1)
        elif key in _LABELS:
            if isinstance(value, str | int):
                tags.setdefault(key, str(value))
        else:
            name = f"{path}_{'ratio' if key == 'pct' else key}"
            found = number(name, value)
            if found is not None:
                counts = any(fnmatchcase(name, pattern) for pattern in _COUNTERS)
                metrics.append((name, found, COUNTER if counts else GAUGE))


def _text(document: Mapping[str, Any], path: tuple[str, str]) -> str:
    """A text by its way into the document, or under the key with dots."""
    outer = document.get(path[0])
    found = outer.get(path[1]) if isinstance(outer, dict) else document.get(".".join(path))
    return found if isinstance(found, str) else ""
