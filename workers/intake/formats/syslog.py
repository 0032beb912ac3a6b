"""Syslog lines, RFC 5424 and the older RFC 3164: who said it, how bad it is, and what, where texts are kept.

`<34>1 2026-03-01T12:00:00.003Z web-1 nginx 312 - - text` or `<34>Mar  1 12:00:00 web-1 nginx[312]: text`. Where the
older form has neither year nor zone, that year is taken which brings it closest to the time of arrival, and the zone is
a setting.
rsyslog by itself forwards in the older form with a time of RFC 3339, which says all of it. What a program hands to the
syslog of its own machine (syslog(), BusyBox, HAProxy's `local`) names no host. Cisco's IOS has a form of its own,
`<189>12: router-1: *Mar  1 12:00:00.123: %SYS-5-CONFIG_I: text`; `*` says that its clock is not set, and the time of
arrival counts. Its firewalls write `<166>Mar 01 2026 12:00:00 fw-1 : %ASA-6-302013: text`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Fault
from schemas.faults import INVALID, MALFORMED, Unreadable, shown
from schemas.times import format_time
from workers.intake.event_rows import EventRows, Naming
from workers.intake.formats.fields import FieldsFormat
from workers.intake.formats.syslog_times import CISCO_TIME, OLD_TIME, old_time
from workers.intake.moments import reader
from workers.intake.template import Template

_PRI = re.compile(rb"<(\d{1,3})>")
_NEW = re.compile(r"<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) ?")
_OLD = re.compile(
    rf"<(\d{{1,3}})>({OLD_TIME}|\d{{4}}-\d\d-\d\dT\S+) "
    r"(?:([^\s:\[]+|[\da-fA-F:.]*:[\da-fA-F.]+) (?=[^\s:\[])|(?=[^\s:\[]+[:\[]))"
    r"([^\s:\[]+)(?:\[([^\]]*)\])?:? ?"
)
"""Without a host the program's name is known by what ends it, `:` or `[`: the first word of a text is no program."""

_CISCO = re.compile(
    rf"<(\d{{1,3}})>(?:\d+: )?(?:([^\s\[]*[^\s:\[]): )?([*.]?)({CISCO_TIME})"
    r"(?: ([^\s\[]*[^\s:\[]) )?: (?=%([A-Z]\w*)(?:-\w+)*-[0-7]-\w+:)"
)
_DATA = re.compile(r"(?:-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: |$)", re.DOTALL)
_ELEMENT = re.compile(r'\[([^\s=\]"]+)((?: [^\s=\]"]+="(?:[^"\\\]]|\\.)*")*)\]', re.DOTALL)
_PARAMETER = re.compile(r' ([^\s=\]"]+)="((?:[^"\\\]]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\\]])')
"""RFC 5424, section 6.3."""

_LEVELS = ("FATAL", "FATAL", "CRITICAL", "ERROR", "WARN", "INFO", "INFO", "DEBUG")
"""By severity, 0 to 7 (RFC 5424, table 2)."""
_HIGHEST = 191

_time = reader("rfc3339")


class SyslogFormat:
    """`Format` of syslog lines, one a record. The program is the service, unless the entity template says otherwise."""

    name = "syslog"
    marks = (b"<",)

    def __init__(self, template: Template, message_bytes: int | None = 0, zone: tzinfo = UTC) -> None:
        """`message_bytes`: whether the text is kept; `workers.intake.messages` bounds it. `zone`: of older times."""
        self._naming, self._texts, self._zone = Naming(template), bool(message_bytes), zone

    def claims(self, value: bytes) -> bool:
        return _PRI.match(value) is not None

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        rows, faults = EventRows(), []
        for record, (value, at) in enumerate(zip(values, arrived.tolist(), strict=True)):
            try:
                time, head, text = _line(value.decode("utf-8", "replace"), at, self._zone)
                attributes = _attributes(head)
                if self._texts and text:
                    attributes["message"] = text
                entity = self._naming.entity(attributes)
                if entity is None:
                    raise Unreadable(INVALID, f"no entity: the line needs {self._naming.needs}")
            except Unreadable as error:
                faults.append(Fault(record, error.error_class, error.message))
            else:
                rows.add(record, time, entity, "log", attributes, ())
        return rows.events(), faults


class MappedSyslogFormat:
    """`Format` of syslog lines by a mapping of one's own: a line is a document with the keys of `_document`."""

    name = SyslogFormat.name
    marks = SyslogFormat.marks

    def __init__(self, fields: FieldsFormat, zone: tzinfo = UTC) -> None:
        self._fields, self._zone = fields, zone

    def claims(self, value: bytes) -> bool:
        return _PRI.match(value) is not None

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        faults, documents, places = [], [], []
        for record, (value, at) in enumerate(zip(values, arrived.tolist(), strict=True)):
            try:
                text = value.decode("utf-8", "replace")
                documents.append(_document(text, *_line(text, at, self._zone)))
                places.append(record)
            except Unreadable as error:
                faults.append(Fault(record, error.error_class, error.message))
        events, wrong = self._fields.read(documents)
        faults += [replace(fault, record=places[fault.record]) for fault in wrong]
        return replace(events, record=np.array(places, np.int32)[events.record]), faults


def _attributes(head: _Head) -> dict[str, str]:
    named = {"service": head.program, "host": head.host}
    told = {name: value for name, value in named.items() if value not in ("", "-")}
    return told | {"level": _LEVELS[head.priority % 8], "facility": str(head.priority // 8)}


def _document(line: str, time: int, head: _Head, text: str) -> dict[str, Any]:
    """A line as a mapping of one's own sees it: `timestamp`, `service`, `host`, `level`, `facility`, `procid`, `msgid`,
    `message`, and the structured data as `structured.<id>.<parameter>`; what the line does not have is not there.
    """
    more = {"procid": head.process, "msgid": head.message, "message": text}
    found: dict[str, Any] = {"timestamp": format_time(time), **_attributes(head)}
    found |= {name: value for name, value in more.items() if value not in ("", "-")}
    if head.structured and (data := _DATA.match(line[head.end :])):
        elements = {
            element[1]: {one[1]: _ESCAPED.sub(r"\1", one[2]) for one in _PARAMETER.finditer(element[2])}
            for element in _ELEMENT.finditer(data[0])
        }
        if elements:
            found["structured"] = elements
    return found


def _line(text: str, arrived: int, zone: tzinfo) -> tuple[int, _Head, str]:
    """When it was said, what stands before its text, and the text."""
    head = _new(text) or _old(text) or _cisco(text)
    if head is None:
        raise Unreadable(MALFORMED, f"no syslog line by RFC 5424 or 3164: {shown(text)}")
    if head.priority > _HIGHEST:
        raise Unreadable(INVALID, f"the priority is {head.priority}, and at most {_HIGHEST}")
    try:
        time = _head_time(head, arrived, zone)
    except ValueError as error:
        raise Unreadable(INVALID, f"timestamp {shown(head.moment)} {error}") from error
    return time, head, _message(text[head.end :], head.structured)


class _Head(NamedTuple):
    """What stands before a line's text, which begins at `end`. `moment` as it is written, `-` for none."""

    priority: int
    moment: str
    host: str
    program: str
    end: int
    structured: bool = False
    process: str = ""
    message: str = ""


def _new(text: str) -> _Head | None:
    found = _NEW.match(text)
    return found and _Head(int(found[1]), found[2], found[3], found[4], found.end(), True, found[5], found[6])


def _old(text: str) -> _Head | None:
    found = _OLD.match(text)
    return found and _Head(int(found[1]), found[2], found[3] or "", found[4], found.end(), process=found[5] or "")


def _cisco(text: str) -> _Head | None:
    """The program is the facility (`SYS`)."""
    found = _CISCO.match(text)
    if found is None:
        return None
    moment = "-" if found[3] == "*" else found[4]
    return _Head(int(found[1]), moment, found[2] or found[5] or "", found[6], found.end())


def _head_time(head: _Head, arrived: int, zone: tzinfo) -> int:
    if head.moment == "-":
        return arrived
    return _time(head.moment) if head.structured or head.moment[0].isdigit() else old_time(head.moment, arrived, zone)


def _message(rest: str, structured: bool) -> str:
    """The text behind a line's head, and behind the structured data of the newer form (RFC 5424, section 6.3)."""
    data = _DATA.match(rest) if structured else None
    return rest[data.end() if data is not None else 0 :].removeprefix("\ufeff").strip()
