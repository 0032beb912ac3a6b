"""What cleaning finds: fields and types of raw documents, figures of the events, and why rows were rejected."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from schemas.columns import Events
from schemas.times import format_time
from workers.sources.opensearch.raw import write_whole

_MOST_FIELDS = 1_000
_MOST_VALUES = 10_000
_TOP = 10
_DEPTH = 4
_VARYING = re.compile(r"'[^']*'|\d[\d,.]*")
_QUANTILES = (0.25, 0.5, 0.75, 0.95, 0.99)
_TYPES = {
    str: "text",
    int: "number",
    float: "number",
    bool: "boolean",
    list: "list",
    dict: "object",
    type(None): "null",
}


@dataclass(slots=True)
class Findings:
    """Gathers while documents pass by."""

    documents: int = 0
    events: int = 0
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    fields: dict[str, Counter[str]] = field(default_factory=dict)
    first_time: int | None = None
    last_time: int | None = None
    kinds: Counter[str] = field(default_factory=Counter)
    entities: Counter[str] = field(default_factory=Counter)
    attributes: dict[str, Counter[str]] = field(default_factory=dict)
    metrics: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)

    @property
    def first_reason(self) -> str:
        """The most frequent reason of rejection."""
        return self.examples[self.reasons.most_common(1)[0][0]] if self.reasons else "there is none"

    def see(self, document: Any) -> None:
        """A raw document, whatever becomes of it."""
        self.documents += 1
        if isinstance(document, dict):
            self._fields(document, "", _DEPTH)

    def _fields(self, document: dict[str, Any], prefix: str, depth: int) -> None:
        for name, value in document.items():
            if isinstance(value, dict) and depth > 1:
                self._fields(value, f"{prefix}{name}.", depth - 1)
                continue
            path = f"{prefix}{name}"
            types = self.fields.get(path)
            if types is None:
                if len(self.fields) >= _MOST_FIELDS:
                    continue
                types = self.fields[path] = Counter()
            types[_TYPES.get(type(value), "other")] += 1

    def reject(self, error_class: str, message: str) -> None:
        reason = error_class, _VARYING.sub("…", message)
        self.reasons[reason] += 1
        self.examples.setdefault(reason, message)

    def keep(self, events: Events) -> None:
        self.events += len(events)
        first, last = int(events.time.min()), int(events.time.max())
        self.first_time = first if self.first_time is None else min(first, self.first_time)
        self.last_time = last if self.last_time is None else max(last, self.last_time)
        _count(self.kinds, events.kind.values, events.kind.codes)
        _count(self.entities, events.entity.values, events.entity.codes)
        for code, name in enumerate(events.attr_name.values):
            mine = events.attr_name.codes == code
            if mine.any():
                found = self.attributes.setdefault(name, Counter())
                _count(found, events.attr_value.values, events.attr_value.codes[mine])
        for code, name in enumerate(events.metric_name.values):
            values = events.metric_value[events.metric_name.codes == code]
            if len(values):
                self.metrics.setdefault(name, []).append(values)

    def document(self) -> dict[str, Any]:
        """All of it, for a machine."""
        duplicates = sum(count for (kind, _), count in self.reasons.items() if kind == "duplicate")
        rejected = sum(self.reasons.values()) - duplicates
        return {
            "documents": self.documents,
            "events": self.events,
            "rejected": rejected,
            "duplicates": duplicates,
            "first": format_time(self.first_time) if self.first_time is not None else None,
            "last": format_time(self.last_time) if self.last_time is not None else None,
            "kinds": dict(self.kinds.most_common()),
            "reasons": [
                {"class": key[0], "rows": count, "example": self.examples[key]}
                for key, count in self.reasons.most_common()
            ],
            "warnings": self._warnings(),
            "fields": {
                name: {"present": types.total() - types["null"], "share": self._share(types), "types": dict(types)}
                for name, types in sorted(self.fields.items())
            },
            "metrics": {name: _figures(np.concatenate(parts)) for name, parts in sorted(self.metrics.items())},
            "missing_metrics": {
                name: self.events - sum(map(len, parts)) for name, parts in sorted(self.metrics.items())
            },
            "attributes": {
                name: {"distinct": len(values), "missing": self.events - values.total(), "top": _top(values)}
                for name, values in sorted(self.attributes.items())
            },
            "entities": {"distinct": len(self.entities), "top": _top(self.entities)},
        }

    def _share(self, types: Counter[str]) -> float:
        return round((types.total() - types["null"]) / max(self.documents, 1), 6)

    def _warnings(self) -> list[str]:
        """What a person should look at."""
        found = []
        for name, types in sorted(self.fields.items()):
            kinds = {kind: count for kind, count in types.items() if kind != "null"}
            if len(kinds) > 1:
                parts = ", ".join(f"{count:,} × {kind}" for kind, count in sorted(kinds.items()))
                found.append(f"the field {name} is of several types: {parts}")
        timed = sum(map(len, self.metrics.get("latency_ms", [])))
        if self.events and not timed:
            found.append("no event has a latency: which field holds it? (FAULTLINE_INTAKE__MAPPING)")
        status = self.attributes.get("status_code", Counter())
        odd = sum(count for value, count in status.items() if not (value.isdigit() and 100 <= int(value) <= 599))
        if odd:
            found.append(f"{odd:,} events have a status_code that is none of HTTP's")
        return found


def _count(counter: Counter[str], values: Any, codes: NDArray[np.int32]) -> None:
    numbers = np.bincount(codes[codes >= 0], minlength=len(values))
    for code in np.flatnonzero(numbers).tolist():
        if values[code] in counter or len(counter) < _MOST_VALUES:
            counter[values[code]] += int(numbers[code])


def _top(values: Counter[str]) -> dict[str, int]:
    return dict(values.most_common(_TOP))


def _figures(values: NDArray[np.float64]) -> dict[str, float | int | None]:
    quantiles = np.quantile(values, _QUANTILES)
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return {
        "count": len(values),
        "mean": float(np.mean(values)),
        "std": None if math.isnan(spread) else spread,
        "min": float(values.min()),
        **{f"p{round(q * 100)}": float(value) for q, value in zip(_QUANTILES, quantiles, strict=True)},
        "max": float(values.max()),
    }


def write_report(report: dict[str, Any], folder: Path, tag: str) -> None:
    """`<tag>_validation.json` for machines, `.txt` for people."""
    content = orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n"
    write_whole(folder / f"{tag}_validation.json", content)
    with (folder / f"{tag}_validation.txt").open("w") as file:
        _print(report, Console(file=file, width=120, highlight=False, no_color=True))


def _print(report: dict[str, Any], console: Console) -> None:
    console.print(f"Validation of {report['dataset']}", markup=False)
    console.print(
        f"\n{report['documents']:,} documents: {report['events']:,} events, {report['rejected']:,} rejected, "
        f"{report['duplicates']:,} duplicates\nfrom {report['first']} to {report['last']}",
        markup=False,
    )
    for warning in report["warnings"]:
        console.print(f"! {warning}", markup=False)
    _table(console, "Rejected", ("rows", "class", "example"), [list(one.values()) for one in _ordered(report)])
    _table(
        console,
        "Fields of the documents",
        ("field", "present", "share", "types"),
        [
            [name, one["present"], f"{one['share']:.1%}", ", ".join(sorted(one["types"]))]
            for name, one in report["fields"].items()
        ],
    )
    figures = report["metrics"]
    if figures:
        columns = list(next(iter(figures.values())))
        rows = [[name, *(_short(one[column]) for column in columns)] for name, one in figures.items()]
        _table(console, "Metrics of the events", ("metric", *columns), rows)
    attributes = {**report["attributes"], "entity": {**report["entities"], "missing": 0}}
    _table(
        console,
        "Attributes of the events",
        ("attribute", "distinct", "missing", "most frequent"),
        [
            [name, one["distinct"], one["missing"], ", ".join(f"{v} ({n:,})" for v, n in list(one["top"].items())[:5])]
            for name, one in attributes.items()
        ],
    )


def _ordered(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"rows": one["rows"], "class": one["class"], "example": one["example"]} for one in report["reasons"]]


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"


def _table(console: Console, title: str, columns: tuple[str, ...], rows: list[list[Any]]) -> None:
    if not rows:
        return
    table = Table(*columns, title=f"\n{title}", title_justify="left", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*[f"{cell:,}" if isinstance(cell, int) else str(cell).replace("[", r"\[") for cell in row])
    console.print(table)
