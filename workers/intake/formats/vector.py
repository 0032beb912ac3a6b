"""Vector's metrics in its encodings `json` and `native_json`. Its logs are plain JSON, in `native_json` below `log`.

`{"name": "cpu_seconds_total", "namespace": "host", "tags": {"host": "a", "mode": "idle"}, "timestamp": "2026-…Z",
"kind": "absolute", "counter": {"value": 1.5}}`. Kind `incremental` is a delta, `absolute` a total. Source: Vector's
data model of metric events.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from schemas.columns import COUNTER, DELTA, GAUGE, Events, Fault
from schemas.faults import INVALID, MALFORMED, TOO_LARGE, Unreadable, shown
from schemas.limits import DEFAULT_LIMITS
from workers.intake.event_rows import Distribution, Metric
from workers.intake.formats.fields import FieldsFormat, parsed
from workers.intake.formats.machine import Point, PointFormat, number
from workers.intake.moments import reader

_KINDS = (b'"absolute"', b'"incremental"')
_TYPES = {"absolute": COUNTER, "incremental": DELTA}
_time = reader("auto")
_Bucket = tuple[float, int]
"""Where it ends, and what is in it."""

_MOST_COUNTED = 2.0**53


class VectorFormat(PointFormat):
    """A metric is `[<namespace>_]<name>`, with the tags that do not say whose it is.

    Histograms, and distributions that are incremental, are `<name>_count`, `_sum` and a distribution `<name>`;
    summaries `_count`, `_sum` and `<name>{quantile=…}`; other distributions `_count` and `_sum`; sets the number of
    their members.
    """

    name = "vector"
    marks = _KINDS
    mistakable: Literal[True] = True

    def claims(self, value: bytes) -> bool:
        return value[:1] == b"{" and b'"kind"' in value and b'"name"' in value and any(k in value for k in _KINDS)

    def points(self, value: bytes, arrived: int) -> Iterator[Point]:
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise Unreadable(MALFORMED, f"not JSON ({error})") from error
        inner = document.get("metric") if isinstance(document, dict) else None
        yield from _points(inner if isinstance(inner, dict) else document, arrived)


class VectorLogs:
    """`Format` of log events in `native_json`: what is in `log` is read by the field mapping."""

    name = "vector_logs"
    marks = (b'{"log":{',)
    mistakable: Literal[True] = True

    def __init__(self, fields: FieldsFormat) -> None:
        self._fields = fields

    def claims(self, value: bytes) -> bool:
        """ECS has a `log` too, and beside it a time of another name."""
        return value.startswith(self.marks) and (b'"timestamp"' in value or b'"@timestamp"' not in value)

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        documents = [parsed(value) for value in values]
        return self._fields.read([one.get("log") if isinstance(one, dict) else one for one in documents])


def _points(one: Any, arrived: int) -> Iterator[Point]:
    name = one.get("name") if isinstance(one, dict) else None
    if not isinstance(name, str) or not name:
        raise Unreadable(INVALID, "a metric has a name (text), a kind and a value")
    kind = one.get("kind")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise Unreadable(INVALID, f"kind is {shown(str(kind))}; there are absolute and incremental")
    namespace = one.get("namespace")
    whole = f"{namespace}_{name}" if isinstance(namespace, str) and namespace else name
    moment = one.get("timestamp")
    try:
        time = arrived if moment is None else _time(moment)
    except (ValueError, OverflowError) as error:
        raise Unreadable(INVALID, f"timestamp {shown(str(moment))} {error}") from error
    tags = one.get("tags")
    texts = {str(tag): _tag(text) for tag, text in tags.items()} if isinstance(tags, Mapping) else {}
    distribution = _distribution(whole, one, _TYPES[kind])
    distributions: tuple[Distribution, ...] = () if distribution is None else (distribution,)
    for labels, metric in _metrics(whole, one, kind):
        yield Point(time, {**texts, **labels}, [metric], distributions=distributions)
        distributions = ()
    if distributions:
        yield Point(time, texts, [], distributions=distributions)


def _tag(value: Any) -> str:
    """A tag may have several values, or none."""
    if isinstance(value, list):
        return ",".join(str(one) for one in value if one is not None)
    return "" if value is None else str(value)


_Labelled = tuple[dict[str, str], Metric]
"""A metric, and the labels that it has beside the tags."""


def _metrics(name: str, one: Mapping[str, Any], kind: str) -> Iterator[_Labelled]:
    type_code = _TYPES[kind]
    if "gauge" in one:
        if kind == "incremental":
            raise Unreadable(INVALID, f"{shown(name)} is an incremental gauge; make it absolute in Vector first")
        yield from _number(name, _part(one, "gauge").get("value"), GAUGE)
    elif "counter" in one:
        yield from _number(name, _part(one, "counter").get("value"), type_code)
    elif "set" in one:
        yield from _number(name, len(_list(_part(one, "set"), "values")), GAUGE)
    elif "distribution" in one:
        samples = _list(_part(one, "distribution"), "samples")
        rates = [number(name, entry.get("rate")) or 0.0 for entry in samples]
        products = [(number(name, e.get("value")) or 0.0) * rate for e, rate in zip(samples, rates, strict=True)]
        yield from _number(f"{name}_count", sum(rates), type_code)
        yield from _number(f"{name}_sum", sum(products), type_code)
    elif "aggregated_histogram" in one:
        yield from _totals(name, _part(one, "aggregated_histogram"), type_code)
    elif "aggregated_summary" in one:
        found = _part(one, "aggregated_summary")
        yield from _totals(name, found, type_code)
        for entry in _list(found, "quantiles"):
            quantile = str(entry.get("quantile", entry.get("upper_limit")))
            yield from _number(name, entry.get("value"), GAUGE, quantile=quantile)
    else:
        raise Unreadable(INVALID, f"{shown(name)} has no value that is known here (sketches are not)")


def _distribution(name: str, one: Mapping[str, Any], type_code: int) -> Distribution | None:
    """The buckets, or the samples as buckets that end at them; None of whatever else a metric is, and of no bucket."""
    if "aggregated_histogram" in one:
        histogram = _part(one, "aggregated_histogram")
        buckets = [
            (_limit(name, e.get("upper_limit")), _count(name, e.get("count"))) for e in _list(histogram, "buckets")
        ]
        counted = sum(count for _, count in buckets)
        buckets.append((math.inf, max(_count(name, histogram.get("count", 0)) - counted, 0)))
    elif "distribution" in one and type_code == DELTA:
        samples = _list(_part(one, "distribution"), "samples")
        found = sorted((_limit(name, e.get("value")), _count(name, e.get("rate"))) for e in samples)
        buckets = [*_fewer(found, DEFAULT_LIMITS.buckets - 1), (math.inf, 0)]
    else:
        return None
    together: dict[float, int] = {}
    for limit, count in buckets:
        together[limit] = together.get(limit, 0) + count
    bounds = [limit for limit in together if limit < math.inf]
    if bounds != sorted(bounds):
        raise Unreadable(INVALID, f"the buckets of {shown(name)} do not ascend")
    if len(together) > DEFAULT_LIMITS.buckets:
        raise Unreadable(TOO_LARGE, f"{shown(name)} has {len(together):,} buckets; at most {DEFAULT_LIMITS.buckets:,}")
    return Distribution(name, bounds, list(together.values()), type_code) if bounds else None


def _fewer(buckets: list[_Bucket], most: int) -> list[_Bucket]:
    """At most so many: neighbours become one, which ends where the last of them did."""
    step = -(-len(buckets) // most) or 1
    groups = [buckets[start : start + step] for start in range(0, len(buckets), step)]
    return [(group[-1][0], sum(count for _, count in group)) for group in groups]


def _limit(name: str, value: object) -> float:
    """The end of a bucket; nothing, and infinity as text, are the end of the last one."""
    if value is None or value in ("inf", "+Inf"):
        return math.inf
    found = number(name, value)
    if found is None:
        raise Unreadable(INVALID, f"a bucket of {shown(name)} ends at {shown(str(value))}; send a number")
    return found


def _count(name: str, value: object) -> int:
    found = number(name, value) or 0.0
    if not 0 <= found < _MOST_COUNTED:
        raise Unreadable(INVALID, f"{shown(name)} counts {found:g}; send a count of 0 or more")
    return round(found)


def _totals(name: str, found: Mapping[str, Any], type_code: int) -> Iterator[_Labelled]:
    for part in ("count", "sum"):
        yield from _number(f"{name}_{part}", found.get(part), type_code)


def _number(name: str, value: object, type_code: int, **labels: str) -> Iterator[_Labelled]:
    found = number(name, value)
    if found is not None:
        yield labels, (name, found, type_code)


def _part(one: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = one[name]
    if not isinstance(found, Mapping):
        raise Unreadable(INVALID, f"{name} is an object")
    return found


def _list(part: Mapping[str, Any], name: str) -> list[Any]:
    found = part.get(name)
    if not isinstance(found, list) or (name != "values" and not all(isinstance(entry, Mapping) for entry in found)):
        raise Unreadable(INVALID, f"{name} is a list of objects")
    return found
