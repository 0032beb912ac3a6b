"""Numbers as people write them: two significant digits, the unit that fits, one unit for both ends of a range.

And names as they stand in a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class Unit:
    """A quantity's scales, smallest first: (how much of the base unit one of it is, how it is written)."""

    name: str
    scales: Sequence[tuple[float, str]]
    signed: bool = False
    """Whether values below zero make sense."""


def _time(base_seconds: float) -> Unit:
    scales = [(1e-9, " ns"), (1e-6, " µs"), (1e-3, " ms"), (1.0, " s"), (60.0, " min"), (3600.0, " h"), (86400.0, " d")]
    return Unit("time", [(size / base_seconds, text) for size, text in scales])


def _decimal(name: str, base: float, texts: Sequence[str]) -> Unit:
    return Unit(name, [(1000.0**power / base, text) for power, text in enumerate(texts)])


_BYTES = (" B", " kB", " MB", " GB", " TB", " PB")
_BYTES_PER_SECOND = tuple(f"{text}/s" for text in _BYTES)

COUNT = Unit("count", [(1.0, ""), (1e6, " million"), (1e9, " billion")])
RATIO = Unit("ratio", [(0.01, "%")])
PERCENT = Unit("ratio", [(1.0, "%")])
CHANGE = Unit("ratio", [(0.01, "%")], signed=True)
RATE = Unit("rate", [(1.0, "/s"), (1e6, " million/s")])
PLAIN = Unit("plain", [(1.0, "")], signed=True)

UNITS: dict[str, Unit] = {
    "ns": _time(1e-9),
    "nanoseconds": _time(1e-9),
    "us": _time(1e-6),
    "microseconds": _time(1e-6),
    "ms": _time(1e-3),
    "milliseconds": _time(1e-3),
    "s": _time(1.0),
    "sec": _time(1.0),
    "seconds": _time(1.0),
    "minutes": _time(60.0),
    "hours": _time(3600.0),
    "bytes": _decimal("bytes", 1.0, _BYTES),
    "kb": _decimal("bytes", 1e-3, _BYTES),
    "kib": _decimal("bytes", 1 / 1024, _BYTES),
    "mb": _decimal("bytes", 1e-6, _BYTES),
    "mib": _decimal("bytes", 1 / 1024**2, _BYTES),
    "gb": _decimal("bytes", 1e-9, _BYTES),
    "bytes_per_second": _decimal("bytes per second", 1.0, _BYTES_PER_SECOND),
    "per_second": RATE,
    "ratio": RATIO,
    "share": RATIO,
    "percent": PERCENT,
    "pct": PERCENT,
    "change": CHANGE,
    "celsius": Unit("temperature", [(1.0, " °C")], signed=True),
    "hertz": _decimal("frequency", 1.0, (" Hz", " kHz", " MHz", " GHz")),
    "hz": _decimal("frequency", 1.0, (" Hz", " kHz", " MHz", " GHz")),
    "watts": Unit("power", [(1.0, " W"), (1e3, " kW")]),
    "volts": Unit("voltage", [(1.0, " V")], signed=True),
    "amperes": Unit("current", [(1.0, " A")], signed=True),
    "count": COUNT,
    "total": COUNT,
}
"""By the suffix of a metric's name, as OpenMetrics and its users write them."""


def quantity(value: float, unit: Unit) -> str:
    """`2.3 s`, `420 ms`, `12%`, `1,204`."""
    size, text = _scale(abs(value), unit)
    return _digits(value / size, unit) + text


def span(low: float, high: float, unit: Unit) -> str:
    """A range in one unit: `180–420 ms`, `at most 2%`, `at least 100`, `about 12 s`."""
    if not unit.signed and math.isfinite(low):
        low = max(low, 0.0)
    if not math.isfinite(low):
        return f"at most {quantity(high, unit)}" if math.isfinite(high) else "anything"
    if not math.isfinite(high):
        return f"at least {quantity(low, unit)}"
    size, text = _scale(max(abs(low), abs(high)), unit)
    first, last = _digits(low / size, unit), _digits(high / size, unit)
    if first == last:
        return f"about {last}{text}"
    if low < 0:
        return f"{first} to {last}{text}"
    return f"{first}–{last}{text}"


def duration(microseconds: int) -> str:
    """A length of time as one would say it: `45 s`, `12 min`, `1 h 5 min`, `2 days 3 h`."""
    seconds = max(0, round(microseconds / 1_000_000))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    text = "1 day" if days == 1 else f"{days} days"
    return f"{text} {hours} h" if hours else text


def clock(microseconds: int) -> str:
    """A moment: `14:02:30 UTC`."""
    return f"{datetime.fromtimestamp(microseconds // 1_000_000, UTC):%H:%M:%S} UTC"


def moment(microseconds: int) -> str:
    """A moment of some day: `2026-03-08 14:02:30 UTC`."""
    return f"{datetime.fromtimestamp(microseconds // 1_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def shown(name: str) -> str:
    """A name in a sentence: one line, of bounded length, nothing that does not print."""
    line = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + "…"


def _scale(magnitude: float, unit: Unit) -> tuple[float, str]:
    """The largest scale of which `magnitude` is at least one, after rounding; minutes only from two on."""
    chosen = unit.scales[0]
    for size, text in unit.scales:
        least = 2.0 if text == " min" else 1.0
        if magnitude and magnitude / size >= least * 0.995:
            chosen = (size, text)
    if not magnitude and unit.name == "time":
        return next(scale for scale in unit.scales if scale[1] == " ms")
    return chosen


def _digits(value: float, unit: Unit) -> str:
    magnitude = abs(value)
    if magnitude == 0 or not math.isfinite(value):
        return "0" if magnitude == 0 else str(value)
    if unit.name == "ratio" and 99 <= magnitude < 100:
        return f"{math.floor(magnitude * 10) / 10 * math.copysign(1, value):.1f}"  # never call 99.96 % whole
    if magnitude >= 9.95:
        return f"{value:,.0f}"
    decimals = max(0, 1 - math.floor(math.log10(magnitude)))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
