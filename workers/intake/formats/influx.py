"""InfluxDB's line protocol, as Telegraf and many agents write it: `cpu,host=a,cpu=cpu0 user=1.5 1772366400000000000`.

Lines are measurement and tags, fields, and a time in nanoseconds, or in a coarser unit, which is told by its size;
without one it is the time of arrival. Source: the line protocol reference of InfluxDB 2 (escapes: a backslash before
comma, space, equals sign, and quote in texts).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from schemas.columns import GAUGE
from schemas.faults import INVALID, MALFORMED, Unreadable, shown
from workers.intake.event_rows import Metric
from workers.intake.formats.machine import Point, PointFormat, number
from workers.intake.moments import reader

_KEY = r"(?:\\.|[^\\,= \n])+"
_TAG = rf",({_KEY})=({_KEY})"
_TEXT = r'"(?:\\.|[^"\\])*"'
_FIELD = rf"({_KEY})=({_TEXT}|[^,\s\"]+)"
_LINE = re.compile(
    rf"(?P<name>(?:\\.|[^\\, \n])+)(?P<tags>(?:{_TAG})*) +(?P<fields>{_FIELD}(?:,{_FIELD})*)(?: +(?P<time>-?\d+))?\s*"
)
_TAGS, _FIELDS = re.compile(_TAG), re.compile(_FIELD)
_ESCAPE = re.compile(r"\\([,= \\\"])")
_BEGINS = re.compile(rb"[A-Za-z_](?:\\.|[^\s\\{}\[\]<>]){0,4096} +(?:\\.|[^\s\\=]){1,512}=")
_TRUTH = {"t": 1.0, "true": 1.0, "f": 0.0, "false": 0.0}

_time = reader("auto")


class InfluxFormat(PointFormat):
    """A metric is `<measurement>_<field>`, with the tags that do not say whose it is."""

    name = "influx"
    marks = (b"=",)

    def claims(self, value: bytes) -> bool:
        return _BEGINS.match(value) is not None

    def points(self, value: bytes, arrived: int) -> Iterator[Point]:
        try:
            text = value.decode()
        except UnicodeDecodeError as error:
            raise Unreadable(MALFORMED, f"no UTF-8: {error.reason} at byte {error.start}") from error
        for line in text.splitlines():
            if line and not line.startswith("#"):
                yield _point(line, arrived)


def _point(line: str, arrived: int) -> Point:
    found = _LINE.fullmatch(line)
    if found is None:
        raise Unreadable(MALFORMED, f"no line protocol: {shown(line)}")
    name = _plain(found["name"])
    try:
        time = arrived if found["time"] is None else _time(int(found["time"]))
    except ValueError as error:
        raise Unreadable(INVALID, f"timestamp {shown(found['time'])} {error}") from error
    tags = {_plain(tag): _plain(text) for tag, text in _TAGS.findall(found["tags"])}
    metrics: list[Metric] = []
    for key, text in _FIELDS.findall(found["fields"]):
        value = _value(_plain(key), text)
        if value is not None:
            metrics.append((f"{name}_{_plain(key)}", value, GAUGE))
    return Point(time, tags, metrics, name)


def _value(field: str, text: str) -> float | None:
    """None for text."""
    if text.startswith('"'):
        return None
    truth = _TRUTH.get(text.lower())
    if truth is not None:
        return truth
    try:
        return number(field, float(text.rstrip("iu")))
    except ValueError:
        raise Unreadable(
            INVALID, f"field {shown(field)} is {shown(text)}, which is neither a number nor text"
        ) from None


def _plain(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)
