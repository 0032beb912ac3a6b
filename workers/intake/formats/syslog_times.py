"""Times of the older syslog lines: `Oct 22 05:34:00`, perhaps with a fraction, a year or a zone.

RFC 3164 has none of the three; devices that were told to write them put the year behind the day (Cisco) or behind the
time, and the zone behind the time (RFC 3164, section 5.4).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from schemas.faults import shown

_YEAR = r"(?:19[7-9]|20\d)\d"
_CLOCK = r"\d\d:\d\d:\d\d(?:\.\d{1,6})?"
_ZONE = r"[A-Z]{1,5}|[+-]\d\d:?\d\d"

_START = rf"[A-Z][a-z]{{2}} [ \d]?\d (?:{_YEAR} )?{_CLOCK}"

OLD_TIME = rf"{_START}(?: (?:{_ZONE})(?= {_YEAR} )| (?:UTC|GMT)(?= ))?(?: {_YEAR}(?= ))?"
"""A pattern for such a time before a host or a program. Capitals are a zone where a year comes behind them: hosts have
such names, too."""

CISCO_TIME = rf"{_START}(?: (?:{_ZONE})(?=: | {_YEAR}))?(?: {_YEAR})?"
"""The same before a colon, or before a host, a space and a colon."""

_PARTS = re.compile(rf"([A-Z][a-z]{{2}} [ \d]?\d) (?:({_YEAR}) )?({_CLOCK})(?: ({_ZONE}))?(?: ({_YEAR}))?")
_SECOND = 1_000_000

_HOURS = {
    **dict.fromkeys(("UTC", "GMT", "UT", "Z", "WET"), 0.0),
    "EST": -5.0,
    "EDT": -4.0,
    "CST": -6.0,
    "CDT": -5.0,
    "MST": -7.0,
    "MDT": -6.0,
    "PST": -8.0,
    "PDT": -7.0,
    "CET": 1.0,
    "CEST": 2.0,
    "WEST": 1.0,
    "EET": 2.0,
    "EEST": 3.0,
    "MSK": 3.0,
    "JST": 9.0,
    "KST": 9.0,
    "BST": 1.0,
    "IST": 5.5,
    "AWST": 8.0,
    "ACST": 9.5,
    "AEST": 10.0,
    "AEDT": 11.0,
    "NZST": 12.0,
    "NZDT": 13.0,
}
"""Of zones by their abbreviation: those of RFC 822, and common ones. The zone that is set goes before them."""


def old_time(text: str, arrived: int, zone: tzinfo) -> int:
    """Epoch microseconds. Raises ValueError for what is no time.

    Without a year it is that which fits `arrived` best. Without a zone of its own the time is of `zone`; of an hour
    that its clock shows twice it is the one that fits better.
    """
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise ValueError("is no time")
    day, first, clock, name, last = parts.groups()
    near = datetime.fromtimestamp(arrived / _SECOND, UTC).year
    years = [int(first or last)] if first or last else [near - 1, near, near + 1]
    found = [time for year in years for time in _in_year(f"{day} {clock}", year, name, zone)]
    if not found:
        raise ValueError(
            "is no day of that year" if first or last else "is no day of any year near the time of arrival"
        )
    return min(found, key=lambda time: abs(time - arrived))


def _in_year(text: str, year: int, name: str | None, zone: tzinfo) -> list[int]:
    pattern = "%Y %b %d %H:%M:%S.%f" if "." in text else "%Y %b %d %H:%M:%S"
    try:
        moment = datetime.strptime(f"{year} {text}", pattern).replace(tzinfo=zone)
    except ValueError:
        return []  # the 29th of February
    if name is not None:
        moment = moment.replace(tzinfo=_zone_of(name, moment))
    twice = (moment, moment.replace(fold=1)) if _is_there(moment) else (moment,)
    return [int(one.replace(microsecond=0).timestamp()) * _SECOND + one.microsecond for one in twice]


def _zone_of(name: str, moment: datetime) -> tzinfo:
    """The zone of that name: the one that `moment` is of where it is called so then, and else a common one."""
    if name[0] in "+-":
        sign = -1 if name[0] == "-" else 1
        return timezone(sign * timedelta(hours=int(name[1:3]), minutes=int(name[-2:])))
    for fold in (0, 1):
        if moment.replace(fold=fold).tzname() == name:
            return timezone(moment.replace(fold=fold).utcoffset() or timedelta())
    if name not in _HOURS:
        raise UnknownZoneError(
            f"is of a zone that nobody knows here ({shown(name)}); send an offset such as +0100, or set "
            "FAULTLINE_INTAKE__ZONE to where it is used"
        )
    return timezone(timedelta(hours=_HOURS[name]))


class UnknownZoneError(ValueError):
    """An abbreviation that may be any zone."""


def _is_there(moment: datetime) -> bool:
    """Whether the zone's clock shows that time at all."""
    return moment.astimezone(UTC).astimezone(moment.tzinfo).replace(tzinfo=None) == moment.replace(tzinfo=None)
