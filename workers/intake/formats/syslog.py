"""Syslog lines, RFC 5424 and the older RFC 3164: who said it, how bad it is, and what, where texts are kept.

`<34>1 2026-03-01T12:00:00.003Z web-1 nginx 312 - - text` or `<34>Mar  1 12:00:00 web-1 nginx[312]: text`. The older
form has neither year nor zone: the year is taken that brings it closest to the time of arrival, the zone is UTC.
rsyslog by itself forwards in the older form with a time of RFC 3339, which says all of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Fault
from schemas.faults import INVALID, MALFORMED, Unreadable, shown
from workers.intake.event_rows import EventRows, Naming
from workers.intake.moments import reader
from workers.intake.template import Template

_PRI = re.compile(rb"<(\d{1,3})>")
_NEW = re.compile(r"<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) ?")
_OLD = re.compile(
    r"<(\d{1,3})>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) (\S+) ([^\s:\[]+)(?:\[([^\]]*)\])?:? ?"
)
_DATA = re.compile(r"(?:-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: |$)", re.DOTALL)
_LEVELS = ("FATAL", "FATAL", "CRITICAL", "ERROR", "WARN", "INFO", "INFO", "DEBUG")
"""By severity, 0 to 7 (RFC 5424, table 2)."""
_HIGHEST = 191
_SECOND = 1_000_000

_time = reader("rfc3339")


class SyslogFormat:
    """`Format` of syslog lines, one a record. The program is the service, unless the entity template says otherwise."""

    name = "syslog"
    marks = (b"<",)

    def __init__(self, template: Template, message_bytes: int | None = 0) -> None:
        """`message_bytes`: whether the text is kept; `workers.intake.messages` bounds it."""
        self._naming, self._texts = Naming(template), bool(message_bytes)

    def claims(self, value: bytes) -> bool:
        return _PRI.match(value) is not None

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        rows, faults = EventRows(), []
        for record, (value, at) in enumerate(zip(values, arrived.tolist(), strict=True)):
            try:
                time, attributes = _line(value.decode("utf-8", "replace"), at, self._texts)
                entity = self._naming.entity(attributes)
                if entity is None:
                    raise Unreadable(INVALID, f"no entity: the line needs {self._naming.needs}")
            except Unreadable as error:
                faults.append(Fault(record, error.error_class, error.message))
            else:
                rows.add(record, time, entity, "log", attributes, ())
        return rows.events(), faults


def _line(text: str, arrived: int, texts: bool) -> tuple[int, dict[str, str]]:
    new = _NEW.match(text)
    found = new or _OLD.match(text)
    if found is None:
        raise Unreadable(MALFORMED, f"no syslog line by RFC 5424 or 3164: {shown(text)}")
    priority, moment, host, program = int(found[1]), found[2], found[3], found[4]
    if priority > _HIGHEST:
        raise Unreadable(INVALID, f"the priority is {priority}, and at most {_HIGHEST}")
    try:
        time = arrived if moment == "-" else _time(moment) if new or moment[0].isdigit() else _old_time(moment, arrived)
    except ValueError as error:
        raise Unreadable(INVALID, f"timestamp {shown(moment)} {error}") from error
    named = {"service": program, "host": host}
    attributes = {name: value for name, value in named.items() if value != "-"}
    attributes |= {"level": _LEVELS[priority % 8], "facility": str(priority // 8)}
    if texts and (message := _message(text[found.end() :], structured=new is not None)):
        attributes["message"] = message
    return time, attributes


def _message(rest: str, structured: bool) -> str:
    """The text behind a line's head, and behind the structured data of the newer form (RFC 5424, section 6.3)."""
    data = _DATA.match(rest) if structured else None
    return rest[data.end() if data is not None else 0 :].removeprefix("\ufeff").strip()


def _old_time(text: str, arrived: int) -> int:
    """Epoch microseconds of `Mar  1 12:00:00` in the year that fits best."""
    year = datetime.fromtimestamp(arrived / _SECOND, UTC).year
    found = [time for one in (year - 1, year, year + 1) if (time := _in_year(text, one)) is not None]
    if not found:
        raise ValueError("is no day of any year near the time of arrival")
    return min(found, key=lambda time: abs(time - arrived))


def _in_year(text: str, year: int) -> int | None:
    try:
        moment = datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None  # the 29th of February
    return int(moment.timestamp()) * _SECOND
