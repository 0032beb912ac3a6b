"""What a data point's number is called and how it counts, worked out once for each distinct series."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.columns import COUNTER, DELTA, GAUGE
from schemas.faults import INVALID, Unreadable
from workers.intake.event_rows import labelled
from workers.intake.kernels import otlp_layout as at
from workers.intake.long_names import bounded
from workers.intake.otlp.mapping import HostRule, MetricRule
from workers.intake.otlp.values import attributes
from workers.intake.remembered import Remembered

_MOST_KEPT = 200_000

_ODD = re.compile(r"[^a-zA-Z0-9_:]")
_NOTE = re.compile(r"\{[^{}]*\}")
_LABELS_FIELD = {5: 7, 7: 7, 9: 9, 10: 1, 11: 7}
"""By shape, the field of a data point that holds its attributes."""


class Key(NamedTuple):
    """All that a series' name depends on, as it came. `role`: as in `otlp_layout`, -1 for a distribution.

    `counted` holds the shape, the temporality (two bits) and whether it is monotonic (one bit).
    """

    name: bytes
    unit: bytes
    counted: int
    role: int
    quantile: float
    labels: bytes

    @property
    def shape(self) -> int:
        return self.counted >> 3

    @property
    def temporality(self) -> int:
        return self.counted >> 1 & 3

    @property
    def monotonic(self) -> bool:
        return bool(self.counted & 1)


class Part(NamedTuple):
    """That a series counts for a base metric of a host: for which rule, in sum and whole, and for which label."""

    rule: int
    counts: bool
    among: bool
    by: str


@dataclass(frozen=True, slots=True)
class Series:
    """`of_host`: a metric of a machine, rather than of what runs there. `fault`: why there is no such series."""

    name: str
    type: int
    of_host: bool
    parts: tuple[Part, ...] = ()
    fault: tuple[str, str] | None = None


class SeriesBook:
    """A cache of series. Names are made by the habit of OpenMetrics: `http_server_duration_seconds{http_route=/x}`."""

    def __init__(self, rules: MetricRule, host: Sequence[HostRule]) -> None:
        self._rules = rules
        self._left_out = frozenset(rules.labels_left_out)
        self._host: dict[str, list[tuple[int, HostRule]]] = {}
        for place, rule in enumerate(host):
            self._host.setdefault(rule.source, []).append((place, rule))
        self._kept: Remembered[Key, Series] = Remembered(_MOST_KEPT)

    def of(self, key: Key) -> Series:
        found = self._kept.get(key)
        if found is None:
            found = self._made(key)
            self._kept.keep(key, found, len(key.name) + len(key.unit) + len(key.labels))
        return found

    def _made(self, key: Key) -> Series:
        name = key.name.decode()
        if not name:
            return Series("", GAUGE, False, (), (INVALID, "a metric has no name"))
        try:
            labels = attributes(key.labels, _LABELS_FIELD[key.shape])
        except Unreadable as error:
            return Series("", GAUGE, False, (), (error.error_class, f"metric {name[:60]!r}, {error.message}"))
        type_code = _type(key)
        parts = self._parts(name, key.role, type_code, labels)
        labels = {_ODD.sub("_", label): text for label, text in labels.items() if label not in self._left_out}
        if key.role == at.QUANTILE:
            labels["quantile"] = f"{key.quantile:g}"
        ending = {int(at.COUNT): "_count", int(at.TOTAL): "_sum"}.get(key.role, "")
        # Labels may hold what is redacted: only when that is done the whole of it is cut. What many points share is
        # cut here, or a record of one long name and many points would be many times its size.
        whole = labelled(bounded(self._with_unit(name, key) + ending), labels)
        return Series(whole, type_code, name.startswith("system."), parts)

    def _with_unit(self, name: str, key: Key) -> str:
        plain = _ODD.sub("_", name)
        unit = _NOTE.sub("", key.unit.decode()).strip()
        ending = self._rules.units.get(unit)
        if ending is None and unit == "1":
            ending = self._rules.ratio if key.shape == at.GAUGE else ""
        elif ending is None:
            amount, per, time = unit.partition("/")
            ending = self._rules.units.get(amount, amount)
            if per and time:
                each = self._rules.units.get(time, time).removesuffix("s")
                ending = f"{ending}_per_{each}" if ending else f"per_{each}"
            ending = _ODD.sub("_", ending).strip("_")
        if not ending or plain == ending or plain.endswith(f"_{ending}"):
            return plain
        return f"{plain}_{ending}"

    def _parts(self, name: str, role: int, type_code: int, labels: dict[str, str]) -> tuple[Part, ...]:
        if role != at.VALUE:
            return ()
        found = []
        for place, rule in self._host.get(name, ()):
            counts = rule.counts(labels)
            among = rule.how == "share" and rule.is_among(labels)
            fits = type_code == COUNTER if rule.per_second else rule.how == "sum" or type_code == GAUGE
            if (counts or among) and fits:
                found.append(Part(place, counts, among, labels.get(rule.by, "") if rule.by else ""))
        return tuple(found)


def _type(key: Key) -> int:
    if key.role == at.QUANTILE or key.shape == at.GAUGE:
        return GAUGE
    if key.shape == at.SUMMARY:
        return COUNTER
    if key.temporality == at.DELTA_TEMPORALITY:
        return DELTA
    if key.shape == at.SUM and not key.monotonic:
        return GAUGE
    return COUNTER
