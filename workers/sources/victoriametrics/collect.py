"""All metrics of all services over a time: asked for query by query, put together slice by slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from workers.queries.model import Query, QueryFile
from workers.queries.placeholders import UnusableName, any_of, fill
from workers.sources.victoriametrics.answers import Series
from workers.sources.victoriametrics.client import Client
from workers.sources.victoriametrics.errors import Refused, Slow, TooMuch
from workers.sources.victoriametrics.slices import MICROS, Slice, spans

_CELLS = 2_000_000
"""Values of one slice in memory."""
ROWS = 40_000
"""Steps of services in one slice, where each becomes one transaction."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. `services` empty: all that are found; `filter`: matchers for {filter}; `step` in seconds."""

    file: QueryFile
    label: str
    filter: str
    services: Sequence[str]
    step: int
    max_points: int

    def only(self, query: Query) -> Wanted:
        """The same of one query."""
        return replace(self, file=self.file.model_copy(update={"queries": [query]}))

    def text(self, query: Query, service: str = "") -> str:
        """The query as it is sent. Raises UnusableName."""
        matchers = [part for part in (self.filter.strip().strip(","),) if part]
        if self.services:
            matchers.append(f"{self.label}=~{any_of(self.services)}")
        values = {"label": self.label, "window": f"{self.step}s", "filter": ", ".join(matchers), "service": service}
        return fill(query.query, values)


@dataclass(slots=True)
class Oddities:
    """What was left out, by metric: series without the label, several series of one service; names that do not fit."""

    unlabelled: Counter[str] = field(default_factory=Counter)
    doubled: dict[str, set[str]] = field(default_factory=dict)
    unusable: set[str] = field(default_factory=set)

    def lines(self) -> list[str]:
        found = [f"{m}: {n:,} series without the service's label were left out" for m, n in self.unlabelled.items()]
        for metric, services in self.doubled.items():
            names = ", ".join(sorted(services)[:3])
            found.append(f"{metric}: several series of one service ({names}): left out; aggregate by the label alone")
        return found + sorted(self.unusable)


class Collector:
    """Asks `client` for what is `wanted`. Raises what the client raises; `Refused` names the query."""

    def __init__(self, client: Client, wanted: Wanted, rows: int = ROWS) -> None:
        """`rows`: steps of services in one slice at most, beyond what a single step has."""
        self._client, self._wanted, self._rows = client, wanted, rows
        self._points = wanted.max_points
        self.oddities = Oddities()

    def services(self, start: int, end: int) -> list[str]:
        """The services that queries of one service at a time are made for: those named, or all that the label knows."""
        if self._wanted.services:
            return sorted(set(self._wanted.services))
        if not any(query.by_service for query in self._wanted.file.queries):
            return []
        return [name for name in self._client.label_values(self._wanted.label, start, end) if name]

    def slices(self, start: int, end: int) -> Iterator[Slice]:
        """The grid from start to end (epoch seconds, both included), in time order; steps without any value too."""
        known = 0
        at, step = start, self._wanted.step
        named = self.services(start, end)
        while at <= end:
            width = max(known, len(named), 1)
            most = max(1, min(_CELLS // (width * len(self._wanted.file.queries)), self._rows // width, self._points))
            if not known and not named:
                most = min(most, 100)  # how many services there are is only known behind the first answer
            first, last = next(spans(at, end, step, most))
            slice_ = self._slice(first, last, named)
            known = max(known, len(slice_.services))
            yield slice_
            at = last + step

    def latest(self, at: float) -> dict[str, set[str]]:
        """Which services have which metrics now (epoch seconds)."""
        found: dict[str, set[str]] = {}
        named = self.services(int(at) - 3600, int(at))
        for query in self._wanted.file.queries:
            for service, text in self._texts(query, named):
                for name, _ in self._of_services(query, self._asked(query, text, int(at), int(at)), service):
                    found.setdefault(name, set()).add(query.metric)
        return found

    def _slice(self, first: int, last: int, named: Sequence[str]) -> Slice:
        step, metrics = self._wanted.step, self._wanted.file.metrics
        time = np.arange(first, last + 1, step, dtype=np.int64)
        found: dict[str, NDArray[np.float64]] = {}
        for number, query in enumerate(self._wanted.file.queries):
            for service, text in self._texts(query, named):
                for part_first, part_last in spans(first, last, step, self._points):
                    answered = self._asked(query, text, part_first, part_last)
                    for name, series in self._of_services(query, answered, service):
                        values = found.setdefault(name, np.full((len(time), len(metrics)), np.nan))
                        _put(values[:, number], series, first, step)
        services = sorted(found)
        empty = np.full((len(time), 0, len(metrics)), np.nan)
        return Slice(time, services, metrics, np.stack([found[s] for s in services], axis=1) if found else empty)

    def _texts(self, query: Query, named: Sequence[str]) -> Iterator[tuple[str, str]]:
        """(service, query to send); the service is empty where one query is for all."""
        if not query.by_service:
            yield "", self._wanted.text(query)
            return
        for service in named:
            try:
                yield service, self._wanted.text(query, service)
            except UnusableName as error:
                self.oddities.unusable.add(f"{query.metric}: {error}")

    def _asked(self, query: Query, text: str, first: int, last: int) -> list[Series]:
        """A range, in halves where it is too much for one answer."""
        step = self._wanted.step
        try:
            return self._client.query_range(text, first, last, step)
        except (TooMuch, Slow) as error:
            if last == first:
                raise type(error)(f"query {query.name}: {error}") from error
        except Refused as error:
            raise Refused(f"query {query.name}: {error}") from error
        points = (last - first) // step + 1
        self._points = min(self._points, max(1, points // 2))  # later slices are not to be refused first
        middle = first + (points // 2 - 1) * step
        return self._asked(query, text, first, middle) + self._asked(query, text, middle + step, last)

    def _of_services(self, query: Query, answered: Sequence[Series], service: str) -> list[tuple[str, Series]]:
        """Series by service. Two of one service at the same moments say nothing about it."""
        found: dict[str, list[Series]] = {}
        for series in answered:
            name = service or series.labels.get(self._wanted.label, "")
            if name:
                found.setdefault(name, []).append(series)
            else:
                self.oddities.unlabelled[query.metric] += 1
        single = []
        for name, parts in found.items():
            times = np.concatenate([part.time for part in parts])
            if len(parts) > 1 and len(np.unique(times)) < len(times):
                self.oddities.doubled.setdefault(query.metric, set()).add(name)
                continue
            single += [(name, part) for part in parts]
        return single


def _put(column: NDArray[np.float64], series: Series, first: int, step: int) -> None:
    """Values at their places of the grid; what is not finite (stale, a division by nothing) is left out."""
    place = (series.time - first * MICROS) // (step * MICROS)
    good = np.isfinite(series.value) & (place >= 0) & (place < len(column))
    column[place[good]] = series.value[good]
